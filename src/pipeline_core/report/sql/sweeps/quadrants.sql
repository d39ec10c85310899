-- Share of the attention to image tokens that falls on the quadrant with the art, and the same share under shuffled
-- pictures; the difference with its 95% interval over samples. A row without a layer is of the samples' means over the
-- layers. As in claims/follows_art, the interval is that of the mean mass of pictures dealt evenly to the quadrants:
-- the mean control is 1/4 by construction.
with samples_measured as (
    select model, source, layer, sample_id, quadrant, avg(mass) as mass, avg(control) as control
    from latest.attention_quadrants
    group by grouping sets ((model, source, layer, sample_id, quadrant), (model, source, sample_id, quadrant))
),
deviations as (
    select *, mass - avg(mass) over (partition by model, source, layer, quadrant) as deviation from samples_measured
),
means as (
    select model, source, layer, avg(mass) as mass, avg(control) as control, avg(mass - control) as excess,
           sqrt(sum(deviation * deviation) / (count(*) - count(distinct quadrant)) / count(*)) as standard_error,
           count(*) as n_samples
    from deviations
    group by all
)
select model, source, layer, mass, control, excess,
       excess - 1.96 * standard_error as low, excess + 1.96 * standard_error as high, n_samples
from means
order by model, source, layer nulls first
