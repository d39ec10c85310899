-- Hit rate of each pooling and mask at the analysis layer: mean over the repetitions, the range that they span, and the
-- mean 95% interval. A row without a task is the mean over the tasks: those of composed queries, the others, or all.
with scored as (
    select s.model, r.pooling, r.mask, s.adaptation, s.method, s.fit_on, t.query_modality = 'image_text' as composed, t.task_type,
           t.task_id, t.primary_k as k, s.repetition,
           avg(m.value) as value, avg(m.low) as interval_low, avg(m.high) as interval_high, avg(m.chance) as chance
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    join latest.representations r on r.rep_id = s.rep_ids[1]
    where s.study = 'poolings'
      and (s.fit_on is null or s.fit_on = if(s.adaptation = 'mean_removal', 'support', 'candidates'))
      and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
    group by grouping sets (
        (s.model, r.pooling, r.mask, s.adaptation, s.method, s.fit_on, s.repetition, composed, t.task_type, t.task_id,
         t.primary_k),
        (s.model, r.pooling, r.mask, s.adaptation, s.method, s.fit_on, s.repetition, composed),
        (s.model, r.pooling, r.mask, s.adaptation, s.method, s.fit_on, s.repetition)
    )
)
select model, adaptation, method, fit_on, colour, place, pooling, mask, composed, task_type, task_id, k, avg(value) as value, min(value) as low,
       max(value) as high, avg(interval_low) as interval_low, avg(interval_high) as interval_high, avg(chance) as chance
from scored
left join adaptations using (adaptation)
group by all
order by model, place nulls last, method, task_id nulls first, composed nulls first, pooling, mask
