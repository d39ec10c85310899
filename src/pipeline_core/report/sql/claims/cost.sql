-- Seconds to fit and apply ReAlign over those of one search, at the largest pool measured. Seconds are the best of few
-- repeats, which agree within a quarter: so far the interval reaches.
-- Needs: lens sweep
with timed as (
    select n_candidates, width, n_queries,
           sum(seconds) filter (operation in ('fit', 'apply'))
               / nullif(sum(seconds) filter (operation = 'search'), 0) as value
    from latest.efficiency
    where model = (select model from latest.models where place = 0)
    group by all
)
select format('{:,} candidates, {:,} queries, width {:,}', n_candidates, n_queries, width) as "case", value,
       value / 1.25 as low, value * 1.25 as high
from timed
qualify dense_rank() over (order by n_candidates desc) = 1
order by all
