-- Hit rate at the paper's beta minus that at another, mean over the tasks.
-- Needs: lens sweep, support queries
with scored as (
    select *, sum(n_queries) over (partition by repetition, system_id, task_id) as n,
           (select min(beta) from latest.systems where study = 'main' and adaptation = 'realign') as paper
    from family_hits
    where study = 'adaptations' and adaptation = 'realign' and variant = 'text' and n_layers = 1
          and fit_on in ('candidates', 'support') and limited is null
          and model = (select model from latest.models where place = 0)
)
select own.repetition, own.fit_on as "case", own.task_id as task, own.family, own.hits - other.hits as top,
       own.n_queries as bottom
from scored own
join scored other using (repetition, fit_on, task_id, family)
where own.beta = own.paper and other.beta = $beta
order by all
