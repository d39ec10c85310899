-- Hit rate of a run's named systems at each task's own cut-off, and the paired change from the model's raw embeddings; a
-- row without a task is the mean over the tasks, added in one order. n_rose and n_fell: tasks on which the change has q < 0.05.
with asked as (from latest.tasks where control = 'none'),
scored as (
    select s.model, s.system_id, s.label, s.adaptation, s.fit_on, s.selection, a.colour, a.place, t.task_id, t.task_type, r.k,
           r.value, r.low, r.high, r.chance, r.n_queries, c.delta, c.q
    from latest.retrieval_metrics r
    join systems s using (artifact, system_id)
    join asked t using (task_id)
    left join adaptations a using (adaptation)
    left join systems raw on raw.artifact = r.artifact and raw.model = s.model and raw.study = 'main'
         and raw.adaptation = 'identity' and raw.control = 'none'
    left join comparisons c on c.artifact = r.artifact and c.system_id = r.system_id and c.baseline_id = raw.system_id
         and c.task_id = r.task_id and c.metric = r.metric and c.k = r.k
    where s.study = 'main' and s.named and s.control = 'none' and s.fit_on is distinct from 'test_queries'
      and r.split = 'test' and r.metric = 'hit_rate' and r.k = t.primary_k
)
select model, system_id, label, adaptation, fit_on, selection, colour, task_id, task_type,
       any_value(k) as k, avg(value order by task_id) as value, if(task_id is null, null, any_value(low)) as low,
       if(task_id is null, null, any_value(high)) as high, avg(chance order by task_id) as chance, avg(delta order by task_id) as delta,
       if(task_id is null, null, any_value(q)) as q, count(*) as n_tasks,
       count(*) filter (q < 0.05 and delta > 0) as n_rose, count(*) filter (q < 0.05 and delta < 0) as n_fell,
       sum(n_queries)::bigint as n_queries
from scored
group by grouping sets ((model, system_id, label, adaptation, fit_on, selection, colour, place, task_id, task_type),
                        (model, system_id, label, adaptation, fit_on, selection, colour, place))
order by model, task_id nulls first, place nulls last, system_id
