-- Mean hit rate over the tasks: ReAlign minus another whitening on the same statistics, of each side by itself.
-- Needs: lens sweep, support queries
with means as (
    select s.repetition, s.adaptation, s.fit_on, s.rank, avg(m.value) as value
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    where s.study = 'adaptations' and s.fit_on in ('candidates', 'support')
          and s.model = (select model from latest.models where place = 0)
          and (s.adaptation = $whitening
               or (s.adaptation = 'realign' and s.variant = 'text' and len(s.rep_ids) = 1
                   and s.beta = (select min(beta) from latest.systems where study = 'main' and adaptation = 'realign')))
          and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
    group by all
)
select own.repetition, own.fit_on as "case", own.value - other.value as value
from means own
join means other using (repetition, fit_on)
where own.adaptation = 'realign' and other.adaptation = $whitening
order by "case", own.repetition
