-- Seconds to fit and apply ReAlign over those of one search, or of a plain product with the best of each row: at the
-- largest pool that both were measured on, with the model's own width and the number of queries that most pools were searched for, or at
-- the pool that other widths and numbers of queries were tried on. Seconds are the best of few repeats, which agree
-- within a quarter: so far the interval reaches.
-- Needs: lens sweep
with timed as (
    select n_candidates, width, n_queries,
           sum(seconds) filter (operation in ('fit', 'apply'))
               / nullif(sum(seconds) filter (operation = $against), 0) as value
    from latest.efficiency
    where model = (select model from latest.models where place = 0)
    group by all
),
conditions as (
    select *, count(*) over (partition by width, n_queries) as n_pools,
           count(*) over (partition by n_candidates) as n_conditions
    from timed
    where value is not null
)
select format('{:,} candidates, {:,} queries, width {:,}', n_candidates, n_queries, width) as "case", value,
       value / 1.25 as low, value * 1.25 as high
from conditions
qualify if(
    $at = 'largest pool',
    row_number() over (order by n_candidates desc, n_pools desc, width, n_queries) = 1,
    n_conditions > 1 and n_conditions = max(n_conditions) over ()
)
order by all
