-- Hits where tokens are masked, on both sides or one, by composed task; less those with all tokens where a change is asked
-- for, over those with all tokens.
-- Needs: generative, lens sweep
with scored as (
    select family_hits.*, adaptations.label as system,
           replace(side, 'both', 'both sides') as masked_side,
           list_extract(
               ['no image tokens', 'no instruction', 'no instruction, no template', 'no words'],
               list_position(['no_image', 'no_prompt', 'content', 'no_words'], mask)
           ) as masked
    from family_hits
    join adaptations using (adaptation)
    where study in ('poolings', 'masks') and pooling = 'mean' and query_modality = 'image_text'
          and (adaptation = 'identity' or (adaptation = 'realign' and fit_on = 'candidates'))
          and model = (select model from latest.models where place = 0 and kind = 'generative')
)
select whole.repetition, concat_ws(', ', whole.system, masked.masked_side, masked.masked, whole.task_id) as "case",
       whole.family, masked.hits - if($told = 'change', whole.hits, 0) as top, whole.hits as bottom,
       whole.limited as left_out
from scored whole
join scored masked using (repetition, system, task_id, family)
where whole.mask = 'all' and list_contains(string_split($masks, ' '), masked.mask)
order by all
