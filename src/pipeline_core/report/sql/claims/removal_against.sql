-- Hit rate on picture to text with the top-attribution features removed minus that with a control removed, each draw of it.
-- The mean is one for both sides, or each side's own. Where the top features hold most of the energy nothing can match
-- it: the case says how much the draws hold at most.
-- Needs: generative, lens sweep, train or support
with compared as (
    select c.repetition, c.task_id, c.delta, c.low, c.high, c.q, c.baseline_id, b.label,
           if(b.adaptation = 'mean_removal', 'mean of each side', replace(b.selection, '_', ' ')) as control
    from seeds.comparisons c
    join seeds.systems s using (repetition, system_id)
    join seeds.systems b on b.repetition = c.repetition and b.system_id = c.baseline_id
    join latest.tasks t using (task_id)
    where s.study = 'removal' and s.selection = 'attribution'
          and s.sae_id = (select model || '/paper' from latest.models where place = 0 and kind = 'generative')
          and s.share = (
              select min(share) from latest.systems where study = 'main' and selection = 'attribution' and sae_id = s.sae_id
          )
          and b.selection in (select unnest(string_split($controls, ' ')))
          and c.metric = 'hit_rate' and c.k = t.primary_k and t.control = 'none' and t.task_type = 'i->t'
),
numbered as (
    select *,
           max(try_cast(regexp_extract(label, '([0-9]+)% the energy', 1) as integer)) over (
               partition by task_id, control
           ) as energy,
           row_number() over (partition by repetition, task_id, control order by baseline_id) as draw,
           count(*) over (partition by repetition, task_id, control) as draws
    from compared
)
select repetition, task_id || ', ' || control || coalesce(' (at most ' || energy || '% of the energy)', '')
           || if(draws > 1, ' ' || draw, '') as "case", delta as value, low, high, q
from numbered
order by "case", repetition
