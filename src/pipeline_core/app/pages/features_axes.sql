-- The least and the largest energy and attribution above 0 among the features of one autoencoder that are alive.
with used as (select artifact from run_artifacts where run_id = $run and repetition = 0 and data = '')
select min(energy) filter (energy > 0) as energy_from, max(energy) filter (energy > 0) as energy_to,
       min(attribution) filter (attribution > 0) as attribution_from,
       max(attribution) filter (attribution > 0) as attribution_to
from features semi join used using (artifact)
where sae_id = $sae and modality is not null
