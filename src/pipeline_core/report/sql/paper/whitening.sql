-- Hit rate of every adaptation by the candidates' statistics (or joint ones, where it says so) at each cut-off: mean over
-- the repetitions and the range that they span. A row without a task is the mean over the tasks, at cut-offs that every
-- task has.
with named as (
    select *,
           case
               when adaptation = 'identity' then 'raw'
               when adaptation = 'mean_removal' then 'mean removed'
               when adaptation = 'realign' and len(rep_ids) > 1 then format('ReAlign averaged over layers, beta {:.2g}', beta)
               when adaptation = 'realign' then 'ReAlign'
               when adaptation = 'ledoit_wolf' then 'Ledoit-Wolf shrinkage'
               when adaptation = 'oas' then 'OAS shrinkage'
               when adaptation = 'transport' then format('optimal transport, beta {:.2g}', beta)
               else upper(adaptation)
           end as method
    from systems
    where study = 'adaptations' and adaptation <> 'removal' and coalesce(fit_on, 'candidates') in ('candidates', 'joint')
          and (adaptation <> 'realign' or len(rep_ids) > 1
               or (variant = 'text'
                   and beta = (select min(beta) from systems where study = 'main' and adaptation = 'realign')))
),
scored as (
    select s.model, s.method, s.fit_on, s."rank", s.repetition, t.task_type, t.task_id, m.k, avg(m.value) as value
    from retrieval_metrics m
    join named s using (repetition, system_id)
    join tasks t on t.task_id = m.task_id and t.repetition = 0
    where m.split = 'test' and m.metric = 'hit_rate' and t.control = 'none'
    group by grouping sets (
        (s.model, s.method, s.fit_on, s."rank", s.repetition, m.k, t.task_type, t.task_id),
        (s.model, s.method, s.fit_on, s."rank", s.repetition, m.k)
    )
    having grouping(t.task_id) = 0
           or count(distinct t.task_id) = (select count(*) from tasks where repetition = 0 and control = 'none')
)
select model,
       concat(method, if(fit_on = 'joint', ', joint statistics', ''), coalesce(', rank ' || "rank", '')) as setting,
       task_type, task_id, k, avg(value) as value, min(value) as low, max(value) as high,
       count(*)::integer as n_repetitions
from scored
group by model, method, fit_on, "rank", task_type, task_id, k
order by model, fit_on nulls first, list_position(['mean removed', 'PCA', 'ZCA', 'ReAlign'], method) nulls last,
         "rank" nulls first, setting, task_id nulls first, k
