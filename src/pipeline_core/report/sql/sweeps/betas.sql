-- Hit rate of ReAlign by shrinkage: mean over the repetitions and the range that they span.
-- A row without a task is the mean over the tasks.
with scored as (
    select s.model, s.variant, s.fit_on, s.beta, t.task_type, t.task_id, t.primary_k as k, s.repetition,
           avg(m.value) as value, avg(m.chance) as chance
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    where s.study = 'adaptations' and s.adaptation = 'realign' and len(s.rep_ids) = 1
      and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
    group by grouping sets (
        (s.model, s.variant, s.fit_on, s.beta, s.repetition, t.task_type, t.task_id, t.primary_k),
        (s.model, s.variant, s.fit_on, s.beta, s.repetition)
    )
)
select model, variant, fit_on, beta, task_type, task_id, k, avg(value) as value, min(value) as low, max(value) as high,
       avg(chance) as chance
from scored
group by all
order by model, task_id nulls first, variant, fit_on, beta
