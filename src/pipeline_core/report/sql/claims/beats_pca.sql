-- Mean hit rate over the tasks: ReAlign minus PCA whitening at each rank, both with one basis for both sides.
-- Needs: lens sweep, support queries
with means as (
    select s.repetition, s.adaptation, s.fit_on, s.rank, avg(m.value) as value
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    where s.study = 'adaptations' and s.fit_on = 'joint'
          and s.model = (select model from latest.models where place = 0)
          and (s.adaptation = 'pca'
               or (s.adaptation = 'realign' and s.variant = 'text' and len(s.rep_ids) = 1
                   and s.beta = (select min(beta) from latest.systems where study = 'main' and adaptation = 'realign')))
          and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
    group by all
)
select own.repetition, coalesce('rank ' || other.rank, 'full width') as "case", own.value - other.value as value
from means own
join means other using (repetition, fit_on)
where own.adaptation = 'realign' and other.adaptation = 'pca'
order by "case", own.repetition
