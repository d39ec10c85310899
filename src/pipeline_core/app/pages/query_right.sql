-- What is judged right for one query, the most relevant first.
with used as (select artifact from run_artifacts where run_id = $run and repetition = 0 and data = ''),
of_data as (from samples semi join used using (artifact)),
captions as (
    select p.image_id as sample_id, min(s.text) as caption
    from (from pairs semi join used using (artifact)) p join of_data s on s.sample_id = p.text_id
    group by p.image_id
)
select s.sample_id, s.artifact, s.modality, s.image_ref, coalesce(s.text, caption) as text, r.relevance
from (from qrels semi join used using (artifact)) r
join of_data s using (sample_id)
left join captions using (sample_id)
where r.task_id = $task and r.query_id = $query and r.relevance > 0
order by r.relevance desc, s.sample_id
limit 24
