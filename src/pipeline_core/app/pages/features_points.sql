-- Energy, attribution and modality of every feature of one autoencoder that is alive.
with used as (select artifact from run_artifacts where run_id = $run and repetition = 0 and data = '')
select feature_id, energy, attribution, modality
from features semi join used using (artifact)
where sae_id = $sae and modality is not null
order by feature_id
