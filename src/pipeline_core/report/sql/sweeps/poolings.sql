-- Hit rate of each pooling and mask at the analysis layer: mean over the repetitions, the range that they span, and the
-- mean 95% interval. A row without a task is the mean over the tasks: those of composed queries, the others, or all.
with scored as (
    select s.model, r.pooling, r.mask, s.adaptation, t.query_modality = 'image_text' as composed, t.task_type,
           t.task_id, t.primary_k as k, s.repetition,
           avg(m.value) as value, avg(m.low) as interval_low, avg(m.high) as interval_high, avg(m.chance) as chance
    from retrieval_metrics m
    join systems s using (repetition, system_id)
    join tasks t on t.task_id = m.task_id and t.repetition = 0
    join representations r on r.rep_id = s.rep_ids[1] and r.repetition = 0
    where s.study = 'poolings'
      and (s.adaptation = 'identity' or (s.adaptation = 'mean_removal' and s.fit_on = 'support')
           or (s.adaptation = 'realign' and s.fit_on = 'candidates'))
      and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
    group by grouping sets (
        (s.model, r.pooling, r.mask, s.adaptation, s.repetition, composed, t.task_type, t.task_id, t.primary_k),
        (s.model, r.pooling, r.mask, s.adaptation, s.repetition, composed),
        (s.model, r.pooling, r.mask, s.adaptation, s.repetition)
    )
)
select model, adaptation, pooling, mask, composed, task_type, task_id, k, avg(value) as value, min(value) as low,
       max(value) as high, avg(interval_low) as interval_low, avg(interval_high) as interval_high, avg(chance) as chance
from scored
group by all
order by model, adaptation, task_id nulls first, composed nulls first, pooling, mask
