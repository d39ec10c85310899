-- Mean hit rate over the tasks at the last layer minus that of the best other layer.
-- Needs: generative, lens sweep
with means as (
    select s.repetition, if(s.adaptation = 'identity', 'raw', 'ReAlign') as system, r.layer, avg(m.value) as value
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    join latest.representations r on r.rep_id = s.rep_ids[1]
    where s.study = 'layers' and (s.adaptation = 'identity' or (s.adaptation = 'realign' and s.fit_on = 'candidates'))
          and s.model = (select model from latest.models where place = 0 and kind = 'generative')
          and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
    group by all
)
select own.repetition, own.system as "case", own.value - max(other.value) as value
from means own
join means other on other.repetition = own.repetition and other.system = own.system and other.layer < own.layer
where own.layer = (select max(layer) from means)
group by own.repetition, own.system, own.value
order by own.system, own.repetition
