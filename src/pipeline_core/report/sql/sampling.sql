-- The tasks that a declared sample of the data set is asked or searched in: how many of how many, test split.
select task_id, n_queries, coalesce(queries_of, n_queries) as queries_of, n_candidates,
       coalesce(candidates_of, n_candidates) as candidates_of
from latest.tasks
join (select task_id, count(*) as n_queries from latest.queries where split = 'test' group by task_id) using (task_id)
join (
    select pool_id, count(*) as n_candidates from latest.candidates where split = 'test' or split is null group by pool_id
) using (pool_id)
where control = 'none' and (queries_of is not null or candidates_of is not null)
order by task_id
