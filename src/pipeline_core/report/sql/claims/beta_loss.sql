-- Lowest mean hit rate over the tasks for betas of 0.1 to 0.6 minus that at another beta.
-- Needs: lens sweep, support queries
with means as (
    select s.repetition, s.fit_on, s.beta, avg(m.value) as value
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    where s.study = 'adaptations' and s.adaptation = 'realign' and s.variant = 'text' and len(s.rep_ids) = 1
          and s.fit_on in ('candidates', 'support') and s.model = (select model from latest.models where place = 0)
          and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
    group by all
)
select repetition, fit_on as "case",
       min(value) filter (beta between 0.1 and 0.6) - min(value) filter (beta = $beta) as value
from means
group by all
order by fit_on, repetition
