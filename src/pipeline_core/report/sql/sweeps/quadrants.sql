-- Share of the attention to image tokens that falls on the quadrant with the art, and the same share when another picture
-- is shown, its art elsewhere; the difference with its 95% interval over samples. A row without a layer is of the samples'
-- means over the layers.
with differences as (
    select model, source, layer, sample_id, avg(mass) as mass, avg(control) as control, avg(mass - control) as excess
    from attention_quadrants
    group by grouping sets ((model, source, layer, sample_id), (model, source, sample_id))
)
select model, source, layer, avg(mass) as mass, avg(control) as control, avg(excess) as excess,
       avg(excess) - 1.96 * coalesce(stddev_samp(excess), 0) / sqrt(count(*)) as low,
       avg(excess) + 1.96 * coalesce(stddev_samp(excess), 0) / sqrt(count(*)) as high,
       count(*) as n_samples
from differences
group by all
order by model, source, layer nulls first
