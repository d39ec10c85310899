-- The paper's zero-shot recall, in percent: its lowest and highest over models and data sets, by direction.
with directions as (
    select *, string_split(split_part(dataset, ' ', -1), '->') as sides
    from paper_values
    where item = 'Table 3'
)
select array_to_string(
           list_transform(sides, lambda side: replace(replace(replace(side, 'image+text', 'it'), 'image', 'i'), 'text', 't')),
           '->'
       ) as task_type,
       case when model in ('CLIP', 'SigLIP') then 'contrastive' else setting end as system,
       min(value) as low, max(value) as high, count(*)::integer as n_values
from directions
group by all
order by task_type, system
