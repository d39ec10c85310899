select tasks.task_id, query_id, sample_id, grade as relevance
from relevant join tasks on coalesce(control_of, tasks.task_id) = relevant.task_id
