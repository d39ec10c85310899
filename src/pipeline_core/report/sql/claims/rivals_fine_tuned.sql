-- Hits of ReAlign minus those of the fine-tuned embedder that finds most, used as it is, by task: of the models that are
-- fine-tuned for retrieval, and of the head trained on frozen states of the model studied.
-- Needs: lens sweep
with realigned as (
    select * from family_hits
    where study = 'main' and adaptation = 'realign' and variant = 'text' and fit_on = 'candidates'
          and model = (select model from latest.models where place = 0)
),
tuned as (
    select repetition, task_id, family, model, limited, hits
    from family_hits
    join latest.models using (model)
    where study = 'main' and adaptation = 'identity' and fine_tuned and place > 0
    union all
    select repetition, task_id, family, 'trained head', limited, hits
    from family_hits
    where study = 'adaptations' and adaptation = 'trained_head'
          and model = (select model from latest.models where place = 0)
),
found as (
    select repetition, task_id, model, sum(hits) as hits from tuned group by all
),
best as (
    select repetition, task_id, arg_max(model, (hits, model)) as model from found group by all
)
select own.repetition, own.task_id as "case", own.family, own.hits - other.hits as top, own.n_queries as bottom,
       if(own.limited = other.limited, own.limited, null) as left_out
from realigned own
join best using (repetition, task_id)
join tuned other using (repetition, task_id, family)
where other.model = best.model
order by all
