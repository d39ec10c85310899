-- How many queries are asked among how many candidates in the test split; of how many where a sample was declared.
select task_id, n_queries, queries_of, n_candidates, candidates_of
from latest.tasks
join (select task_id, count(*) as n_queries from latest.queries where split = 'test' group by task_id) using (task_id)
join (
    select pool_id, count(*) as n_candidates from latest.candidates where split = 'test' or split is null group by pool_id
) using (pool_id)
where control = 'none'
order by task_id
