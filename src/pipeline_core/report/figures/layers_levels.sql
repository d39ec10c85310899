-- Hit rate of every model's raw embeddings in the analysis itself; a row without a task is the mean over the tasks.
select s.model, t.task_id, avg(m.value) as value
from latest.retrieval_metrics m
join latest.systems s using (system_id)
join latest.tasks t using (task_id)
where s.study = 'main' and s.adaptation = 'identity' and s.control = 'none'
  and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
group by grouping sets ((s.model, t.task_id), (s.model))
order by s.model, t.task_id nulls first
