-- Hit rate of the raw generative model over that of the best contrastive one; the interval has both at opposite ends.
-- Needs: generative, contrastive
with scored as (
    select m.repetition, m.task_id, models.place, models.kind, m.value, m.low, m.high
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    join latest.models on models.model = s.model
    where s.study = 'main' and s.adaptation = 'identity' and m.split = 'test' and m.metric = 'hit_rate'
          and m.k = t.primary_k and t.control = 'none'
),
best as (
    from scored
    where place > 0 and kind = 'contrastive'
    qualify row_number() over (partition by repetition, task_id order by value desc, place) = 1
)
select own.repetition, own.task_id as "case", own.value / best.value as value,
       if(best.low > 0, own.low / best.high, null) as low, if(best.low > 0, own.high / best.low, null) as high
from scored own
join best using (repetition, task_id)
where own.place = 0 and own.kind = 'generative' and best.value > 0
order by own.task_id, own.repetition
