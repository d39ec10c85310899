-- Hits of one system minus those of another by task and family: the difference of their means over the tasks.
select 0 as repetition, 'mean over the tasks' as "case", own.task_id as task, own.family,
       own.hits - other.hits as top, own.n_queries as bottom
from family_hits own
join family_hits other using (repetition, task_id, family)
where repetition = 0 and own.study = 'main' and own.system_id = $system
      and other.study = 'main' and other.system_id = $baseline
order by all
