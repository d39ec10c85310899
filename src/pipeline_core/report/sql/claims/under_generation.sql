-- Hits of mean pooling minus those of each other pooling, raw, all tokens, by task, of the model studied where its prompts
-- end with an answer's beginning.
-- Needs: generative, lens sweep
with generation as (
    select arg_min(other.model, other.place) as model
    from latest.models studied
    join latest.models other using (identity)
    where studied.place = 0 and studied.kind = 'generative' and other.rendering = 'generation'
)
select own.repetition, concat_ws(', ', other.pooling, own.task_id) as "case", own.family,
       own.hits - other.hits as top, own.n_queries as bottom, own.limited as left_out
from family_hits own
join family_hits other using (repetition, model, study, task_id, family)
join generation using (model)
where study = 'poolings' and own.pooling = 'mean' and own.mask = 'all' and other.mask = 'all'
      and own.adaptation = 'identity' and other.adaptation = 'identity' and other.pooling <> 'mean'
order by all
