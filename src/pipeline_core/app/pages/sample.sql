-- One sample, with what it is paired with.
with used as (select artifact from run_artifacts where run_id = $run and repetition = 0 and data = ''),
of_data as (from samples semi join used using (artifact)),
partners as (
    select text_id as sample_id from pairs semi join used using (artifact) where image_id = $sample
    union
    select image_id from pairs semi join used using (artifact) where text_id = $sample
)
select s.sample_id, s.artifact, s.modality, s.text, s.image_ref, s.width, s.height, s."group", s.split,
       s.sample_id = $sample as itself
from of_data s
where s.sample_id = $sample or s.sample_id in (from partners)
order by itself desc, s.sample_id
limit 25
