-- The vector index against exact search.
select r.model, i.adaptation, i.task_id, i.kind, i.k, i.recall, i.n_queries, i.queries_per_second
from index_recall i
join representations r using (rep_id)
order by r.model, i.adaptation, i.task_id, i.k
