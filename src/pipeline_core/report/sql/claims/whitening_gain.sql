-- Hit rate of ReAlign minus that of another whitening on the same statistics, mean over the tasks.
-- Needs: lens sweep, support queries
with scored as (
    select * from family_hits
    where study = 'adaptations' and list_contains(string_split($fit_on, ' '), fit_on) and limited is null
          and model = (select model from latest.models where place = 0)
)
select own.repetition, own.fit_on || coalesce(', rank ' || other.rank, '') as "case", own.task_id as task, own.family,
       own.hits - other.hits as top, own.n_queries as bottom
from scored own
join scored other using (repetition, fit_on, task_id, family)
where own.adaptation = 'realign' and own.variant = 'text' and own.n_layers = 1 and other.adaptation = $whitening
      and own.beta = (select min(beta) from latest.systems where study = 'main' and adaptation = 'realign')
order by all
