-- Hits of mean pooling minus those of another pooling, raw, all tokens, by task.
-- Needs: generative, lens sweep
select own.repetition, own.task_id as "case", own.family, own.hits - other.hits as top, own.n_queries as bottom,
       own.limited as left_out
from family_hits own
join family_hits other using (repetition, model, study, task_id, family)
where study = 'poolings' and own.pooling = 'mean' and own.mask = 'all' and other.mask = 'all'
      and own.adaptation = 'identity' and other.adaptation = 'identity' and other.pooling = $pooling
      and model = (select model from latest.models where place = 0 and kind = 'generative')
order by all
