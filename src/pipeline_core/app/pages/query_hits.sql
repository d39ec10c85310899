-- The first answers to one query under each system of a model whose answers are kept, and the rank of the first right one.
with hits as (
    select system_id, "rank", sample_id, score, relevant
    from retrieval_hits
    where artifact = $artifact and task_id = $task and query_id = $query and "rank" <= $depth
),
captions as (
    select p.image_id as sample_id, min(s.text) as caption
    from latest.pairs p join latest.samples s on s.sample_id = p.text_id
    where p.image_id in (select sample_id from hits)
    group by p.image_id
)
select y.system_id, y.label, y.adaptation, r.first_relevant_rank, h."rank", h.score, h.relevant, s.sample_id, s.artifact,
       s.modality, s.image_ref, coalesce(s.text, caption) as text
from hits h
join (from systems where artifact = $artifact) y using (system_id)
join latest.samples s using (sample_id)
left join captions using (sample_id)
left join adaptations a using (adaptation)
left join (from retrieval_ranks where artifact = $artifact and task_id = $task and query_id = $query and split = 'test') r
     using (system_id)
where y.control = 'none'
order by a.place nulls last, y.system_id, h."rank"
