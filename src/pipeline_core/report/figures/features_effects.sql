-- What removing one feature alone does to a task.
select r.sae_id, r.feature_id, r.metric, r.k, r.delta, r.low, r.high, r.p, r.q
from latest.removal_effects r
join latest.systems s using (system_id)
where s.study = 'main' and r.selection = 'single' and r.task_id = $task_id and r.metric = 'hit_rate'
qualify row_number() over (partition by r.sae_id, r.feature_id order by abs(r.k - $k), r.k) = 1
order by r.sae_id, r.feature_id
