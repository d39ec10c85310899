-- Samples on which each feature of one SAE is largest.
select e.feature_id, e.modality, e."rank", e.value, e.sample_id, s.text, s.image_ref
from latest.feature_examples e
join latest.samples s using (sample_id)
where e.sae_id = $sae_id and e."rank" <= $n_examples
order by e.feature_id, e.modality, e."rank"
