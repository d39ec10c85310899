-- Hits of the raw generative model over those of the contrastive one that finds most, by task.
-- A task at its ceiling, or at chance, for both models cannot tell them apart.
-- Needs: generative, contrastive
with raw as (
    select family_hits.*, models.place, models.kind
    from family_hits
    join latest.models using (model)
    where study = 'main' and adaptation = 'identity'
),
found as (
    select repetition, task_id, model, place, sum(hits) as hits from raw
    where place > 0 and kind = 'contrastive'
    group by all
),
best as (
    select repetition, task_id, arg_max(model, (hits, -place)) as model from found group by all
)
select own.repetition, own.task_id as "case", own.family, own.hits as top, other.hits as bottom,
       if(own.limited = other.limited, own.limited, null) as left_out
from raw own
join best using (repetition, task_id)
join raw other using (repetition, task_id, family)
where own.place = 0 and own.kind = 'generative' and other.model = best.model
order by all
