-- Energy, attribution and modality of every feature of one autoencoder that is alive.
select feature_id, energy, attribution, modality
from latest.features
where sae_id = $sae and modality is not null
order by feature_id
