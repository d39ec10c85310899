-- What samples are in the test split of one task: asked, a right answer, or else one of the pool.
with roles as (
    select sample_id, 1 as place, 'asked' as role from latest.queries where task_id = $task and split = 'test'
    union all
    select r.sample_id, 2, 'right answer'
    from latest.qrels r join latest.queries q using (task_id, query_id)
    where r.task_id = $task and q.split = 'test' and r.relevance > 0
    union all
    select c.sample_id, 3, 'in the pool'
    from latest.candidates c join latest.tasks t using (pool_id)
    where t.task_id = $task and coalesce(c.split, 'test') = 'test'
)
select sample_id, min_by(role, place) as role
from roles
group by sample_id
order by sample_id
