-- The vector index against exact search.
select r.model, i.adaptation, i.task_id, i.kind, i.k, i.recall, i.n_queries, i.queries_per_second
from latest.index_recall i
join latest.representations r using (rep_id)
order by r.model, i.adaptation, i.task_id, i.k
