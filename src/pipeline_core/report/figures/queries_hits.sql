-- The first three answers of two systems to every query.
select h.system_id, h.task_id, h.query_id, h."rank", h.relevant, h.sample_id, s.text, s.image_ref
from latest.retrieval_hits h
join latest.samples s using (sample_id)
where h.system_id in ($before, $after) and h."rank" <= 3
order by h.system_id, h.task_id, h.query_id, h."rank"
