-- What attention was measured of: models, and samples by modality.
select m.model, s.modality, count(distinct m.sample_id) as n_samples
from latest.attention_mass m
join latest.samples s using (sample_id)
group by m.model, s.modality
order by m.model, s.modality
