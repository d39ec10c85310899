-- Hits without the instruction, and without instruction and template, over those with all tokens, by composed task.
-- Needs: generative, lens sweep
with scored as (
    select *, if(adaptation = 'identity', 'raw', 'ReAlign') as system
    from family_hits
    where study = 'poolings' and pooling = 'mean' and query_modality = 'image_text'
          and (adaptation = 'identity' or (adaptation = 'realign' and fit_on = 'candidates'))
          and model = (select model from latest.models where place = 0 and kind = 'generative')
)
select whole.repetition,
       whole.system || ', no instruction' || if(masked.mask = 'content', ', no template', '') || ', ' || whole.task_id
           as "case",
       whole.family,
       masked.hits as top, whole.hits as bottom, whole.limited as left_out
from scored whole
join scored masked using (repetition, system, task_id, family)
where whole.mask = 'all' and masked.mask in ('no_prompt', 'content')
order by all
