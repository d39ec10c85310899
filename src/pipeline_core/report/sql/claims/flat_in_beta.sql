-- (highest - lowest) / highest of the mean hit rate over the tasks, for betas of 0.1 to 0.6.
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
select repetition, fit_on as "case", (max(value) - min(value)) / max(value) as value
from means
where beta between 0.1 and 0.6
group by all
having count(*) > 1 and max(value) > 0
order by fit_on, repetition
