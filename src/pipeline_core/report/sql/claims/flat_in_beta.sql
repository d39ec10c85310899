-- Mean hit rate over the tasks at each beta of 0.1 to 0.6, relative to that at the paper's beta.
-- Needs: lens sweep, support queries
with scored as (
    select *, sum(n_queries) over (partition by repetition, system_id, task_id) as n,
           (select min(beta) from latest.systems where study = 'main' and adaptation = 'realign') as paper
    from family_hits
    where study = 'adaptations' and adaptation = 'realign' and variant = 'text' and n_layers = 1
          and fit_on in ('candidates', 'support') and limited is null
          and model = (select model from latest.models where place = 0)
)
select own.repetition, own.fit_on || ', beta ' || own.beta as "case", own.family,
       sum((own.hits - other.hits) / own.n) as top, sum(other.hits / other.n) as bottom
from scored own
join scored other using (repetition, fit_on, task_id, family)
where own.beta between 0.1 and 0.6 and other.beta = other.paper and own.beta <> own.paper
group by all
order by all
