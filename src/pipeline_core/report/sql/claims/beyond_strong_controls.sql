-- Hit rate on picture to text with the top-attribution features removed minus that with a strong control removed:
-- the mean is one for both sides, or each side's own.
-- Needs: generative, lens sweep
with compared as (
    select c.repetition, c.task_id, c.delta, c.low, c.high, c.q,
           if(b.adaptation = 'mean_removal', 'mean of each side', replace(b.selection, '_', ' ')) as control
    from comparisons c
    join systems s using (repetition, system_id)
    join systems b on b.repetition = c.repetition and b.system_id = c.baseline_id
    join tasks t on t.repetition = c.repetition and t.task_id = c.task_id
    where s.study = 'removal' and s.selection = 'attribution'
          and s.sae_id = (select model || '/paper' from models where place = 0 and kind = 'generative')
          and s.share = (
              select min(share) from systems where study = 'main' and selection = 'attribution' and sae_id = s.sae_id
          )
          and b.selection in ('energy', 'bridge', 'principal_components', 'mean')
          and c.metric = 'hit_rate' and c.k = t.primary_k and t.control = 'none' and t.task_type = 'i->t'
)
select repetition, task_id || ', ' || control as "case", delta as value, low, high, q
from compared
order by "case", repetition
