-- Share of the live features, and of their energy, that serves pictures (modality below 1/3), both, and texts (2/3 and more).
select sae_id,
       avg((modality < 1 / 3)::int) as image_count,
       avg((modality >= 1 / 3 and modality < 2 / 3)::int) as shared_count,
       avg((modality >= 2 / 3)::int) as text_count,
       coalesce(sum(energy) filter (modality < 1 / 3), 0) / sum(energy) as image_energy,
       coalesce(sum(energy) filter (modality >= 1 / 3 and modality < 2 / 3), 0) / sum(energy) as shared_energy,
       coalesce(sum(energy) filter (modality >= 2 / 3), 0) / sum(energy) as text_energy
from latest.features
where modality is not null
group by sae_id
order by sae_id
