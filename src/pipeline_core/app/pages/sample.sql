-- One sample, with what it is paired with.
with partners as (
    select text_id as sample_id from latest.pairs where image_id = $sample
    union
    select image_id from latest.pairs where text_id = $sample
)
select s.sample_id, s.artifact, s.modality, s.text, s.image_ref, s.width, s.height, s."group", s.split,
       s.sample_id = $sample as itself
from latest.samples s
where s.sample_id in (select $sample union all from partners)
order by itself desc, s.sample_id
limit 25
