-- One relevant candidate of each test query.
select r.task_id, r.query_id, s.sample_id, s.text, s.image_ref
from latest.qrels r
join latest.queries q using (task_id, query_id)
join latest.samples s on s.sample_id = r.sample_id
where q.split = 'test' and r.relevance > 0
qualify row_number() over (partition by r.task_id, r.query_id order by s.sample_id) = 1
order by r.task_id, r.query_id
