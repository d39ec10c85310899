-- What removing one feature alone does to the tasks, at each task's own cut-off; stored for those with the top attribution.
select distinct e.task_id, t.task_type, e.k, e.delta, e.low, e.high, e.q
from latest.removal_effects e
join latest.tasks t using (task_id)
where e.sae_id = $sae and e.selection = 'single' and e.feature_id = $feature and e.metric = 'hit_rate'
  and e.k = t.primary_k and t.control = 'none'
order by e.task_id
