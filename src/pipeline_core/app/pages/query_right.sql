-- What is judged right for one query, the most relevant first.
with used as (select artifact from run_artifacts where run_id = $run and repetition = 0 and data = ''),
of_data as (from samples semi join used using (artifact)),
judged as (
    select sample_id, relevance
    from qrels semi join used using (artifact)
    where task_id = $task and query_id = $query and relevance > 0
),
captions as (
    select p.image_id as sample_id, min(s.text) as caption
    from (from pairs semi join used using (artifact)) p join of_data s on s.sample_id = p.text_id
    where p.image_id in (select sample_id from judged)
    group by p.image_id
)
select s.sample_id, s.artifact, s.modality, s.image_ref, coalesce(s.text, caption) as text, r.relevance
from judged r
join of_data s using (sample_id)
left join captions using (sample_id)
order by r.relevance desc, s.sample_id
limit 24
