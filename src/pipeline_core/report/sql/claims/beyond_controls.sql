-- Hit rate on picture to text with the top-attribution features removed minus that with each draw of a control removed. Where the
-- top features hold most of the energy nothing can match it: the case says how much the draws hold at most.
-- Needs: generative, lens sweep
with compared as (
    select c.repetition, c.task_id, c.delta, c.low, c.high, c.q,
           replace(b.selection, '_', ' ') as control,
           max(try_cast(regexp_extract(b.label, '([0-9]+)% the energy', 1) as integer)) over (
               partition by c.task_id, b.selection
           ) as energy,
           row_number() over (partition by c.repetition, c.task_id, b.selection order by c.baseline_id) as draw,
           count(*) over (partition by c.repetition, c.task_id, b.selection) as draws
    from comparisons c
    join systems s using (repetition, system_id)
    join systems b on b.repetition = c.repetition and b.system_id = c.baseline_id
    join tasks t on t.repetition = c.repetition and t.task_id = c.task_id
    where s.study = 'removal' and s.selection = 'attribution'
          and s.sae_id = (select model || '/paper' from models where place = 0 and kind = 'generative')
          and s.share = (
              select min(share) from systems where study = 'main' and selection = 'attribution' and sae_id = s.sae_id
          )
          and b.selection in ('energy_matched', 'random_features', 'random_subspace')
          and c.metric = 'hit_rate' and c.k = t.primary_k and t.control = 'none' and t.task_type = 'i->t'
)
select repetition, task_id || ', ' || control || coalesce(' (at most ' || energy || '% of the energy)', '')
           || if(draws > 1, ' ' || draw, '') as "case", delta as value, low, high, q
from compared
order by "case", repetition
