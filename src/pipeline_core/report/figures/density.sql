-- Modality and energy of every feature that is alive: 0 serves pictures only, 1 texts only.
select sae_id, feature_id, modality, energy
from latest.features
where modality is not null
order by sae_id, feature_id
