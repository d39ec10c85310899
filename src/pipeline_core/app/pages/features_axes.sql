-- The least and the largest energy and attribution above 0 among the features of one autoencoder that are alive.
select min(energy) filter (energy > 0) as energy_from, max(energy) filter (energy > 0) as energy_to,
       min(attribution) filter (attribution > 0) as attribution_from,
       max(attribution) filter (attribution > 0) as attribution_to
from latest.features
where sae_id = $sae and modality is not null
