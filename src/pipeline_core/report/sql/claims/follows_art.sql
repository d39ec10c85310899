-- Share of the attention to image tokens that goes to the quadrant with the art, minus that under shuffled pictures,
-- mean over layers; the interval is of the mean over samples.
-- Samples share controls, so their gains are not independent and the spread of gains is not that of their mean. But
-- each picture serves as control once for every quadrant, so the mean control is 1/4 by construction and adds nothing:
-- what is left to chance is the mass, of independent pictures, around the mean of its quadrant (a fixed design of equal
-- strata). The variance within quadrants is pooled.
-- Needs: generative, lens sweep
with samples_measured as (
    select source, sample_id, quadrant, avg(mass) as mass, avg(mass - control) as gain
    from latest.attention_quadrants
    where model = (select model from latest.models where place = 0 and kind = 'generative')
    group by all
),
gains as (
    select source, quadrant, gain, mass - avg(mass) over (partition by source, quadrant) as deviation
    from samples_measured
),
means as (
    select source, avg(gain) as gain,
           sqrt(sum(deviation * deviation) / (count(*) - count(distinct quadrant)) / count(*)) as standard_error
    from gains
    group by source
)
select if(source = 'last', 'last token', 'pooled tokens') as "case", gain as value,
       gain - 1.96 * standard_error as low, gain + 1.96 * standard_error as high
from means
order by source
