-- Mean hit rate over the tasks: mean pooling minus each other pooling, all tokens, both with ReAlign.
-- Needs: generative, lens sweep, support queries
with means as (
    select s.repetition, r.pooling, avg(m.value) as value
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    join latest.representations r on r.rep_id = s.rep_ids[1]
    where s.study = 'poolings' and s.adaptation = 'realign' and s.fit_on = 'candidates' and r.mask = 'all'
          and s.model = (select model from latest.models where place = 0 and kind = 'generative')
          and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
    group by all
)
select own.repetition, other.pooling as "case", own.value - other.value as value
from means own
join means other using (repetition)
where own.pooling = 'mean' and other.pooling <> 'mean'
order by other.pooling, own.repetition
