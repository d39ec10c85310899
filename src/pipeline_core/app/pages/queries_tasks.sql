-- The tasks of a run, controls among them, each with the cut-off that it is reported at and what it asks.
select task_id, task_type, primary_k, control, description
from latest.tasks
order by control <> 'none', task_id
