-- Share of features and of energy that serves pictures (modality below 1/3), both, and texts (above 2/3).
select sae_id,
       count(*) as dictionary_size,
       count(modality) as n_alive,
       avg((modality < 1 / 3)::int) as image_count,
       avg((modality between 1 / 3 and 2 / 3)::int) as shared_count,
       avg((modality > 2 / 3)::int) as text_count,
       coalesce(sum(energy) filter (modality < 1 / 3), 0) / sum(energy) as image_energy,
       coalesce(sum(energy) filter (modality between 1 / 3 and 2 / 3), 0) / sum(energy) as shared_energy,
       coalesce(sum(energy) filter (modality > 2 / 3), 0) / sum(energy) as text_energy
from features
group by sae_id
order by sae_id
