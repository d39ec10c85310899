-- Hit rate of raw embeddings at each cut-off: mean over the repetitions and the range that they span.
-- A row without a task is the mean over the tasks, at cut-offs that every task has.
with scored as (
    select s.model, s.repetition, t.task_type, t.task_id, m.k, avg(m.value) as value
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    where s.study = 'main' and s.adaptation = 'identity' and s.control = 'none'
          and m.split = 'test' and m.metric = 'hit_rate' and t.control = 'none'
    group by grouping sets ((s.model, s.repetition, m.k, t.task_type, t.task_id), (s.model, s.repetition, m.k))
    having grouping(t.task_id) = 0
           or count(distinct t.task_id) = (select count(*) from latest.tasks where control = 'none')
)
select model, 'raw' as setting, task_type, task_id, k, avg(value) as value, min(value) as low, max(value) as high,
       count(*)::integer as n_repetitions
from scored
group by all
order by model, task_id nulls first, k
