-- Hits of ReAlign minus those of the model fine-tuned for retrieval that finds most, used as it is, by task.
with scored as (
    select family_hits.*, models.place, models.fine_tuned
    from family_hits
    join latest.models using (model)
    where study = 'main'
          and (adaptation = 'identity' or (adaptation = 'realign' and variant = 'text' and fit_on = 'candidates'))
),
found as (
    select repetition, task_id, model, place, sum(hits) as hits from scored
    where place > 0 and fine_tuned and adaptation = 'identity'
    group by all
),
best as (
    select repetition, task_id, arg_max(model, (hits, -place)) as model from found group by all
)
select own.repetition, own.task_id as "case", own.family, own.hits - other.hits as top, own.n_queries as bottom,
       if(own.limited = other.limited, own.limited, null) as left_out
from scored own
join best using (repetition, task_id)
join scored other using (repetition, task_id, family)
where own.place = 0 and own.adaptation = 'realign' and other.model = best.model and other.adaptation = 'identity'
order by all
