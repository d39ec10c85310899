-- Queries whose first relevant answer moved most between two systems, at most two a task and direction.
with moves as (
    select t.task_id, t.task_type, b.query_id, q.sample_id,
           b.first_relevant_rank as rank_before, a.first_relevant_rank as rank_after,
           log2(b.first_relevant_rank / a.first_relevant_rank) as gain
    from latest.retrieval_ranks b
    join latest.retrieval_ranks a using (task_id, split, query_id)
    join latest.tasks t using (task_id)
    join latest.queries q using (task_id, query_id)
    where b.system_id = $before and a.system_id = $after and b.split = 'test' and t.control = 'none'
          and b.first_relevant_rank > 0 and a.first_relevant_rank > 0
),
placed as (
    select *, row_number() over (partition by task_id, gain > 0 order by abs(gain) desc, query_id) as place
    from moves
    where gain <> 0
)
select p.task_id, p.task_type, p.query_id, p.rank_before, p.rank_after, p.gain, s.sample_id, s.text, s.image_ref
from placed p
join latest.samples s using (sample_id)
where place <= 2
order by abs(p.gain) desc, p.task_id, p.query_id
