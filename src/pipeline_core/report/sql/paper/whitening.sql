-- Hit rate of every adaptation by the candidates' statistics (or joint ones, where it says so) at each cut-off: mean over
-- the repetitions and the range that they span. A row without a task is the mean over the tasks, at cut-offs that every
-- task has.
with compared as (
    select *, concat(method, if(fit_on = 'joint', ', joint statistics', '')) as setting
    from seeds.systems
    where study = 'adaptations' and coalesce(fit_on, 'candidates') in ('candidates', 'joint')
          and (adaptation <> 'realign' or len(rep_ids) > 1
               or (variant = 'text'
                   and beta = (select min(beta) from latest.systems where study = 'main' and adaptation = 'realign')))
),
scored as (
    select s.model, s.adaptation, s.fit_on, len(s.rep_ids) as n_layers, s."rank", s.setting, s.repetition,
           t.task_type, t.task_id, m.k, avg(m.value) as value
    from seeds.retrieval_metrics m
    join compared s using (repetition, system_id)
    join latest.tasks t using (task_id)
    where m.split = 'test' and m.metric = 'hit_rate' and t.control = 'none'
    group by grouping sets (
        (s.model, s.adaptation, s.fit_on, n_layers, s."rank", s.setting, s.repetition, m.k, t.task_type, t.task_id),
        (s.model, s.adaptation, s.fit_on, n_layers, s."rank", s.setting, s.repetition, m.k)
    )
    having grouping(t.task_id) = 0
           or count(distinct t.task_id) = (select count(*) from latest.tasks where control = 'none')
)
select model, setting, task_type, task_id, k, avg(value) as value, min(value) as low, max(value) as high,
       count(*)::integer as n_repetitions
from scored
left join adaptations using (adaptation)
group by model, setting, fit_on, n_layers, "rank", place, task_type, task_id, k
order by model, fit_on nulls first, n_layers > 1, place nulls last, "rank" nulls first, setting, task_id nulls first, k
