-- Seconds to fit and apply ReAlign over those of one search, at the largest pool measured.
-- Needs: lens sweep
select format('{:,} candidates', n_candidates) as "case",
       sum(seconds) filter (operation in ('fit', 'apply')) / nullif(sum(seconds) filter (operation = 'search'), 0) as value
from latest.efficiency
where model = (select model from latest.models where place = 0)
group by n_candidates
qualify row_number() over (order by n_candidates desc) = 1
