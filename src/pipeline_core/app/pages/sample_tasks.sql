-- What one sample is in each task: a query, an answer judged right, or one of the pool.
with used as (select artifact from run_artifacts where run_id = $run and repetition = 0 and data = ''),
roles as (
    select task_id, query_id, 'asked' as role from queries semi join used using (artifact) where sample_id = $sample
    union all
    select task_id, query_id, 'right answer' from qrels semi join used using (artifact)
    where sample_id = $sample and relevance > 0
    union all
    select t.task_id, null, 'in the pool'
    from (from candidates semi join used using (artifact)) c
    join (from tasks semi join used using (artifact)) t using (pool_id)
    where c.sample_id = $sample
    group by t.task_id
)
select task_id, task_type, role, query_id
from roles join (from tasks semi join used using (artifact)) using (task_id)
order by task_id, role, query_id
limit 60
