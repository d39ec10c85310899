select tasks.task_id, query_id, sample_id
from excluded join tasks on coalesce(control_of, tasks.task_id) = excluded.task_id
semi join asked on asked.task_id = excluded.task_id and asked.query_id = excluded.query_id
