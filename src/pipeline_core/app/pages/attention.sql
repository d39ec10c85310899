-- Share of the attention that goes to tokens of each role, by layer: mean over heads and over the samples of one modality.
select m.layer, m.role, avg(m.mass) as mass, count(distinct m.sample_id) as n_samples, count(distinct m.head) as n_heads
from latest.attention_mass m
join latest.samples s using (sample_id)
where m.model = $model and m.source = $source and s.modality = $modality
group by m.layer, m.role
order by m.layer, m.role
