-- Numbers of one table or figure of the paper, as printed; recall in percent. Data sets are named with their task.
with directions as (
    select *, string_split(split_part(dataset, ' ', -1), '->') as sides
    from paper_values
    where item = $item
)
select model, setting, dataset, quantity, value,
       array_to_string(
           list_transform(sides, lambda side: replace(replace(replace(side, 'image+text', 'it'), 'image', 'i'), 'text', 't')),
           '->'
       ) as task_type,
       try_cast(regexp_extract(quantity, '^R@(\d+)$', 1) as integer) as k
from directions
order by model, dataset, setting, quantity
