-- Hits on picture to text with the top-attribution features removed minus those with a control removed, each draw.
-- The mean is one for both sides, or each side's own. Where the top features hold most of the energy nothing can match
-- it: the case says how much the draws hold at most.
-- Needs: generative, lens sweep, train or support
with kept as materialized (
    select * from family_hits
    where study = 'removal' and task_type = 'i->t'
          and model = (select model from latest.models where place = 0 and kind = 'generative')
),
pairs as (
    select distinct repetition, system_id, baseline_id from seeds.comparisons
    where system_id in (
        select system_id from latest.systems
        where study = 'removal' and selection = 'attribution' and sae_id = model || '/paper'
              and share = (select min(share) from latest.systems where study = 'main' and selection = 'attribution')
    )
),
compared as (
    select own.repetition, own.task_id, own.family, own.hits - other.hits as top, own.n_queries as bottom, own.limited,
           baseline_id, if(other.selection = 'energy_matched', other.energy_ratio, null) as energy_ratio, replace(other.selection, '_', ' ') as control
    from kept own
    join pairs using (repetition, system_id)
    join kept other
        on other.repetition = own.repetition and other.system_id = baseline_id and other.task_id = own.task_id
           and other.family = own.family
    where other.selection in (select unnest(string_split($controls, ' ')))
),
numbered as (
    select *,
           round(100 * max(energy_ratio) over (partition by task_id, control))::integer as energy,
           dense_rank() over (partition by repetition, task_id, control order by baseline_id) as draw
    from compared
)
select repetition, task_id || ', ' || control || coalesce(' (at most ' || energy || '% of the energy)', '')
           || if(max(draw) over (partition by repetition, task_id, control) > 1, ' ' || draw, '') as "case",
       family, top, bottom, limited as left_out
from numbered
order by all
