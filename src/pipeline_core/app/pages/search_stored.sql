-- One sample of the data set, a picture with the first of its texts.
with used as (select artifact from run_artifacts where run_id = $run and repetition = 0 and data = ''),
of_data as (from samples semi join used using (artifact))
select s.artifact, s.sample_id, s.modality, s.image_ref,
       coalesce(s.text, (select min(t.text) from (from pairs semi join used using (artifact)) p
                         join of_data t on t.sample_id = p.text_id where p.image_id = $sample)) as text
from of_data s
where s.sample_id = $sample
