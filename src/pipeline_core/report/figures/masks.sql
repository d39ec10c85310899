-- Hit rate of composed queries with tokens left out of the mean, on one side or on both, at the analysis layer: mean over
-- the repetitions, the range that they span, and the mean 95% interval. A row without a task is the mean over the tasks.
with pooled as (
    select s.repetition, s.system_id, s.model, s.adaptation, s.method, s.fit_on,
           coalesce(s.mask, r.mask) as mask, coalesce(s.side, 'both') as side
    from seeds.systems s
    join latest.representations r on r.rep_id = s.rep_ids[1]
    where s.study in ('poolings', 'masks') and r.pooling = 'mean'
      and (s.adaptation = 'identity' or (s.adaptation = 'realign' and s.fit_on = 'candidates'))
      and s.model in (select model from latest.systems where study = 'masks')
),
scored as (
    select model, adaptation, method, fit_on, mask, side, t.task_type, t.task_id, t.primary_k as k, repetition,
           avg(m.value) as value, avg(m.low) as interval_low, avg(m.high) as interval_high, avg(m.chance) as chance
    from pooled
    join seeds.retrieval_metrics m using (repetition, system_id)
    join latest.tasks t using (task_id)
    where m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k
      and t.control = 'none' and t.query_modality = 'image_text'
    group by grouping sets (
        (model, adaptation, method, fit_on, mask, side, repetition, t.task_type, t.task_id, t.primary_k),
        (model, adaptation, method, fit_on, mask, side, repetition)
    )
)
select model, adaptation, method, fit_on, colour, place, mask, side, task_type, task_id, k, avg(value) as value,
       min(value) as low, max(value) as high, avg(interval_low) as interval_low, avg(interval_high) as interval_high,
       avg(chance) as chance
from scored
left join adaptations using (adaptation)
group by all
order by model, place nulls last, method, task_id nulls first, mask, side
