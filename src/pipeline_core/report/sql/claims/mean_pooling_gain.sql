-- Hit rate of mean pooling minus that of another pooling, raw, all tokens.
-- Needs: generative, lens sweep
select c.repetition, c.task_id as "case", c.delta as value, c.low, c.high, c.q
from seeds.comparisons c
join seeds.systems s using (repetition, system_id)
join seeds.systems b on b.repetition = c.repetition and b.system_id = c.baseline_id
join latest.representations own on own.rep_id = s.rep_ids[1]
join latest.representations other on other.rep_id = b.rep_ids[1]
join latest.tasks t using (task_id)
where s.study = 'poolings' and s.adaptation = 'identity' and b.study = 'poolings' and b.adaptation = 'identity'
      and own.pooling = 'mean' and own.mask = 'all' and other.pooling = $pooling and other.mask = 'all'
      and s.model = (select model from latest.models where place = 0 and kind = 'generative')
      and c.metric = 'hit_rate' and c.k = t.primary_k and t.control = 'none'
order by c.task_id, c.repetition
