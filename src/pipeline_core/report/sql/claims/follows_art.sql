-- Share of the attention to image tokens that goes to the quadrant with the art, minus that under a shuffled picture,
-- mean over layers; the interval is of the mean over samples.
-- Needs: generative, lens sweep
with gains as (
    select source, sample_id, avg(mass - control) as gain
    from attention_quadrants
    where model = (select model from models where place = 0 and kind = 'generative')
    group by all
)
select if(source = 'last', 'last token', 'pooled tokens') as "case", avg(gain) as value,
       avg(gain) - 1.96 * stddev_samp(gain) / sqrt(count(*)) as low,
       avg(gain) + 1.96 * stddev_samp(gain) / sqrt(count(*)) as high
from gains
group by source
order by source
