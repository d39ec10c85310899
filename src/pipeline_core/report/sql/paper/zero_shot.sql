-- Hit rate of raw embeddings, and with ReAlign by the candidates' statistics, at each task's own cut-off: mean over the
-- repetitions and the range that they span. A row without a task is the mean over the tasks.
with scored as (
    select s.model, s.adaptation, s.repetition, t.task_type, t.task_id, t.primary_k as k,
           avg(m.value) as value, avg(m.chance) as chance
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    where s.study = 'main' and s.control = 'none'
          and (s.adaptation = 'identity'
               or (s.adaptation = 'realign' and s.variant = 'text' and s.fit_on = 'candidates'))
          and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
    group by grouping sets (
        (s.model, s.adaptation, s.repetition, t.task_type, t.task_id, t.primary_k),
        (s.model, s.adaptation, s.repetition)
    )
)
select model, adaptation, task_type, task_id, k, avg(value) as value, min(value) as low, max(value) as high,
       avg(chance) as chance, count(*)::integer as n_repetitions
from scored
group by all
order by task_id nulls first, model, adaptation
