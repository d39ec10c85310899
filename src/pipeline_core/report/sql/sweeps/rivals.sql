-- Mean hit rate over the tasks and repetitions of everything that is held against ReAlign, without statistics of support.
select s.model, s.adaptation, s.fit_on, s.beta, s."rank", len(s.rep_ids) > 1 as layers_averaged, avg(m.value) as value
from retrieval_metrics m
join systems s using (repetition, system_id)
join tasks t on t.task_id = m.task_id and t.repetition = 0
where s.study = 'adaptations' and (s.adaptation <> 'realign' or len(s.rep_ids) > 1) and coalesce(s.fit_on, '') <> 'support'
  and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
group by all
order by s.model, value desc, s.adaptation, s.fit_on, s.beta, s."rank"
