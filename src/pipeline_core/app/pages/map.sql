-- What can be found, by modality: candidates of a task, and members of a pair.
with found as (
    select sample_id from latest.candidates
    union
    select image_id from latest.pairs
    union
    select text_id from latest.pairs
)
select modality, count(*) as n
from latest.samples semi join found using (sample_id)
group by modality
order by modality
