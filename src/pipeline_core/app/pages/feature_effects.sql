-- What removing one feature alone does to the tasks, at each task's own cut-off; stored for those with the top attribution.
with used as (select artifact from run_artifacts where run_id = $run and repetition = 0 and data = '')
select distinct e.task_id, t.task_type, e.k, e.delta, e.low, e.high, e.q
from (from removal_effects semi join used using (artifact)) e
join (from tasks semi join used using (artifact)) t using (task_id)
where e.sae_id = $sae and e.selection = 'single' and e.feature_id = $feature and e.metric = 'hit_rate'
  and e.k = t.primary_k and t.control = 'none'
order by e.task_id
