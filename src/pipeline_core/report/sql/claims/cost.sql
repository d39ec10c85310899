-- Seconds to fit and apply ReAlign over those of one search, at the largest pool measured: that of the model's own width
-- and the number of queries that most pools were searched for.
-- Needs: lens sweep
with ratios as (
    select n_candidates, width, n_queries,
           sum(seconds) filter (operation in ('fit', 'apply'))
               / nullif(sum(seconds) filter (operation = 'search'), 0) as value
    from latest.efficiency
    where model = (select model from latest.models where place = 0)
    group by n_candidates, width, n_queries
),
conditions as (
    select *, count(*) over (partition by width, n_queries) as n_pools from ratios
)
select format('{:,} candidates', n_candidates) as "case", value
from conditions
order by n_candidates desc, n_pools desc, width, n_queries
limit 1
