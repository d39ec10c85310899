-- What removing one feature alone does to a task.
select sae_id, feature_id, metric, k, delta, low, high, p, q
from removal_effects
where selection = 'single' and task_id = $task_id and metric = 'hit_rate'
qualify row_number() over (partition by sae_id, feature_id order by abs(k - $k), k) = 1
order by sae_id, feature_id
