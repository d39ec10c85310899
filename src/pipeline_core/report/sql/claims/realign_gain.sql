-- Hit rate of ReAlign minus that of a baseline, on the same statistics if the baseline has any.
-- Needs: support queries
select c.repetition, c.task_id as "case", c.delta as value, c.low, c.high, c.q
from seeds.comparisons c
join seeds.systems s using (repetition, system_id)
join seeds.systems b on b.repetition = c.repetition and b.system_id = c.baseline_id
join latest.tasks t using (task_id)
where s.study = 'main' and s.adaptation = 'realign' and s.variant = 'text' and s.fit_on = $fit_on
      and s.control = 'none' and b.adaptation = $baseline and coalesce(b.fit_on, s.fit_on) = s.fit_on
      and s.model = (select model from latest.models where place = 0)
      and c.metric = 'hit_rate' and c.k = t.primary_k and t.control = 'none'
order by c.task_id, c.repetition
