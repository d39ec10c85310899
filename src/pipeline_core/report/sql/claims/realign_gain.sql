-- Hit rate of ReAlign minus that of a baseline, on the same statistics if the baseline has any.
select c.repetition, c.task_id as "case", c.delta as value, c.low, c.high, c.q
from comparisons c
join systems s using (repetition, system_id)
join systems b on b.repetition = c.repetition and b.system_id = c.baseline_id
join tasks t on t.repetition = c.repetition and t.task_id = c.task_id
where s.study = 'main' and s.adaptation = 'realign' and s.variant = 'text' and s.fit_on = $fit_on
      and s.control = 'none' and b.adaptation = $baseline and coalesce(b.fit_on, s.fit_on) = s.fit_on
      and s.model = (select model from models where place = 0)
      and c.metric = 'hit_rate' and c.k = t.primary_k and t.control = 'none'
order by c.task_id, c.repetition
