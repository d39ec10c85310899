-- What is judged right for one query, the most relevant first.
with judged as (
    select sample_id, relevance
    from latest.qrels
    where task_id = $task and query_id = $query and relevance > 0
),
captions as (
    select p.image_id as sample_id, min(s.text) as caption
    from latest.pairs p join latest.samples s on s.sample_id = p.text_id
    where p.image_id in (select sample_id from judged)
    group by p.image_id
)
select s.sample_id, s.artifact, s.modality, s.image_ref, coalesce(s.text, caption) as text, r.relevance
from judged r
join latest.samples s using (sample_id)
left join captions using (sample_id)
order by r.relevance desc, s.sample_id
limit 24
