-- The tasks that one feature may be removed from, none if there is no such feature.
select task_id, task_type
from latest.tasks
where control = 'none'
  and exists (from latest.features where sae_id = $sae and feature_id = $feature)
order by task_id
