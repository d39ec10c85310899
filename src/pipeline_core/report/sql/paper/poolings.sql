-- Hit rate of each pooling of all tokens at the analysis layer, raw, at each cut-off: mean over the repetitions and the
-- range that they span. A row without a task is the mean over the tasks, at cut-offs that every task has.
with scored as (
    select s.model, if(r.pooling = 'last', 'last token', r.pooling) as setting, s.repetition, t.task_type, t.task_id, m.k, avg(m.value) as value
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    join latest.representations r on r.rep_id = s.rep_ids[1]
    where s.study = 'poolings' and s.adaptation = 'identity' and r.mask = 'all'
          and m.split = 'test' and m.metric = 'hit_rate' and t.control = 'none'
    group by grouping sets (
        (s.model, setting, s.repetition, m.k, t.task_type, t.task_id), (s.model, setting, s.repetition, m.k)
    )
    having grouping(t.task_id) = 0
           or count(distinct t.task_id) = (select count(*) from latest.tasks where control = 'none')
)
select model, setting, task_type, task_id, k,
       avg(value) as value, min(value) as low, max(value) as high, count(*)::integer as n_repetitions
from scored
group by model, setting, task_type, task_id, k
order by model, list_position(['last token', 'max', 'min', 'mean'], setting), task_id nulls first, k
