-- Hit rate at the last layer minus that at each other, mean over the tasks.
-- Needs: generative, lens sweep
with scored as (
    select family_hits.*, adaptations.label as system, max(layer) over () as last
    from family_hits
    join adaptations using (adaptation)
    where study = 'layers' and (adaptation = 'identity' or (adaptation = 'realign' and fit_on = 'candidates'))
          and limited is null and model = (select model from latest.models where place = 0 and kind = 'generative')
)
select own.repetition, format('{}, layer {:02d}', own.system, other.layer) as "case", own.task_id as task, own.family,
       own.hits - other.hits as top, own.n_queries as bottom
from scored own
join scored other using (repetition, system, task_id, family)
where own.layer = own.last and other.layer < own.last
order by all
