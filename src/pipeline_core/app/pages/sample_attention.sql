-- Where one sample's tokens look in its picture, mean over heads and over the last third of the layers.
with own as (from latest.attention_maps where sample_id = $sample),
looks as (from own where 3 * layer > 2 * (select max(layer) from own)),
cells as (
    select model, source, grid_h, grid_w, region, mass, unnest(weights) as weight, generate_subscripts(weights, 1) as cell
    from looks
),
means as (
    select model, source, grid_h, grid_w, region, cell, avg(weight) as weight, avg(mass) as mass from cells group by all
)
select model, source, grid_h, grid_w, any_value(region) as region, avg(mass) as mass, list(weight order by cell) as weights
from means
group by model, source, grid_h, grid_w
order by model, source
