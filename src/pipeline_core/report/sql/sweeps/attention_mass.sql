-- Mean attention mass, over heads and samples, from each layer to tokens of each role.
select a.model, s.modality, a.source, a.layer, a.role, avg(a.mass) as mass, count(distinct a.sample_id) as n_samples
from latest.attention_mass a
join latest.samples s using (sample_id)
group by all
order by a.model, s.modality, a.source, a.layer, a.role
