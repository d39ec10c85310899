-- Hit rate of each layer's mean over all tokens: mean over the repetitions and the range that they span.
-- A row without a task is the mean over the tasks.
with scored as (
    select s.model, r.layer, s.adaptation, s.fit_on, t.task_type, t.task_id, t.primary_k as k, s.repetition,
           avg(m.value) as value, avg(m.chance) as chance
    from retrieval_metrics m
    join systems s using (repetition, system_id)
    join tasks t on t.task_id = m.task_id and t.repetition = 0
    join representations r on r.rep_id = s.rep_ids[1] and r.repetition = 0
    where s.study = 'layers' and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
    group by grouping sets (
        (s.model, r.layer, s.adaptation, s.fit_on, s.repetition, t.task_type, t.task_id, t.primary_k),
        (s.model, r.layer, s.adaptation, s.fit_on, s.repetition)
    )
)
select model, layer, adaptation, fit_on, task_type, task_id, k, avg(value) as value, min(value) as low,
       max(value) as high, avg(chance) as chance, count(*)::integer as n_repetitions
from scored
group by all
order by model, task_id nulls first, adaptation, fit_on nulls first, layer
