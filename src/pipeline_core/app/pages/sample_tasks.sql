-- What one sample is in each task: a query, an answer judged right, or one of the pool.
with roles as (
    select task_id, query_id, 'asked' as role from latest.queries where sample_id = $sample
    union all
    select task_id, query_id, 'right answer' from latest.qrels
    where sample_id = $sample and relevance > 0
    union all
    select t.task_id, null, 'in the pool'
    from latest.candidates c
    join latest.tasks t using (pool_id)
    where c.sample_id = $sample
    group by t.task_id
)
select task_id, task_type, role, query_id
from roles join latest.tasks using (task_id)
order by task_id, role, query_id
limit 60
