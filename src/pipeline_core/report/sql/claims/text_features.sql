-- Live features that serve texts (modality of 2/3 and more), of all live ones; each feature is a unit of its own.
-- Needs: generative
select repetition, sae_id as "case", feature_id as family, (modality >= 2 / 3)::double as top, 1.0 as bottom
from seeds.features
where modality is not null
      and sae_id = (select model || '/paper' from latest.models where place = 0 and kind = 'generative')
order by all
