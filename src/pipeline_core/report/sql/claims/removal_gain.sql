-- Change of the hits when the top-attribution features of an autoencoder are removed, by task.
-- Needs: generative, train or support
select own.repetition, own.task_id as "case", own.family, own.hits - raw.hits as top, own.n_queries as bottom,
       own.limited as left_out
from family_hits own
join family_hits raw using (repetition, model, study, task_id, family)
where study = 'main' and own.selection = 'attribution' and raw.adaptation = 'identity'
      and own.sae_id = (select model || '/' || $sae from latest.models where place = 0 and kind = 'generative')
      and own.task_type like $task_type
order by all
