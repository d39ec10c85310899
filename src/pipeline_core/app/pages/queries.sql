-- A page of a task's test queries: the rank of the first right answer under two systems, and how it moved. n, n_rose, n_fell
-- and n_same count all that the words leave, whichever way they moved. A rank of NULL: the model refused all right answers.
with asked as (from latest.queries where task_id = $task and split = 'test'),
captions as (
    select p.image_id as sample_id, min(s.text) as caption
    from latest.pairs p join latest.samples s on s.sample_id = p.text_id
    where p.image_id in (select sample_id from asked)
    group by p.image_id
),
ranks as (
    select system_id, query_id, if(first_relevant_rank < 9223372036854775807, first_relevant_rank, null) as "rank"
    from latest.retrieval_ranks
    where task_id = $task and split = 'test' and system_id in ($before, $after)
),
moved as (
    select b.query_id, b."rank" as rank_before, a."rank" as rank_after, q.sample_id, s.artifact, s.image_ref,
           coalesce(s.text, caption) as text,
           case when rank_after is not distinct from rank_before then 'same'
                when coalesce(rank_after, 1e18) < coalesce(rank_before, 1e18) then 'rose' else 'fell' end as move
    from (from ranks where system_id = $before) b
    join (from ranks where system_id = $after) a using (query_id)
    join asked q using (query_id)
    join latest.samples s using (sample_id)
    left join captions using (sample_id)
    where $words = '' or contains(lower(coalesce(s.text, caption)), lower($words))
),
counted as (
    select *, count(*) over () as n, count(*) filter (move = 'rose') over () as n_rose,
           count(*) filter (move = 'fell') over () as n_fell, count(*) filter (move = 'same') over () as n_same
    from moved
)
from counted
where $move = 'all' or move = $move
order by abs(log2(coalesce(rank_before, 1e9) / coalesce(rank_after, 1e9))) desc, query_id
limit $size offset $skipped
