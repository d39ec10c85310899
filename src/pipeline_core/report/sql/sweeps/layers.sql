-- Hit rate of each layer's mean over all tokens: mean over the repetitions and the range that they span.
-- A row without a task is the mean over the tasks.
with scored as (
    select s.model, r.layer, s.adaptation, s.method, s.fit_on, t.task_type, t.task_id, t.primary_k as k, s.repetition,
           avg(m.value) as value, avg(m.chance) as chance
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    join latest.representations r on r.rep_id = s.rep_ids[1]
    where s.study = 'layers' and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
    group by grouping sets (
        (s.model, r.layer, s.adaptation, s.method, s.fit_on, s.repetition, t.task_type, t.task_id, t.primary_k),
        (s.model, r.layer, s.adaptation, s.method, s.fit_on, s.repetition)
    )
)
select model, layer, adaptation, method, fit_on, colour, place, task_type, task_id, k, avg(value) as value, min(value) as low,
       max(value) as high, avg(chance) as chance, count(*)::integer as n_repetitions
from scored
left join adaptations using (adaptation)
group by all
order by model, task_id nulls first, place nulls last, method, fit_on nulls first, layer
