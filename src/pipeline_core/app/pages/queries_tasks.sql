-- The tasks of a run, controls among them, each with the cut-off that it is reported at and what it asks.
with used as (select artifact from run_artifacts where run_id = $run and repetition = 0 and data = '')
select task_id, task_type, primary_k, control, description
from tasks semi join used using (artifact)
order by control <> 'none', task_id
