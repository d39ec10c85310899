-- Energy in features that serve texts (modality of 2/3 and more), of all energy; each feature is a unit of its own.
-- Needs: generative
select repetition, sae_id as "case", feature_id as family, if(modality >= 2 / 3, energy, 0) as top, energy as bottom
from seeds.features
where energy > 0 and sae_id = (select model || '/paper' from latest.models where place = 0 and kind = 'generative')
order by all
