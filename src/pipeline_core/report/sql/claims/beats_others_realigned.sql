-- Hit rate of mean pooling minus that of each other pooling, all tokens, both with ReAlign, mean over the tasks.
-- Needs: generative, lens sweep, support queries
select own.repetition, other.pooling as "case", own.task_id as task, own.family, own.hits - other.hits as top,
       own.n_queries as bottom
from family_hits own
join family_hits other using (repetition, model, study, task_id, family)
where study = 'poolings' and own.pooling = 'mean' and own.mask = 'all' and other.mask = 'all'
      and own.adaptation = 'realign' and own.fit_on = 'candidates' and other.adaptation = 'realign'
      and other.fit_on = 'candidates' and other.pooling <> 'mean' and own.limited is null
      and model = (select model from latest.models where place = 0 and kind = 'generative')
order by all
