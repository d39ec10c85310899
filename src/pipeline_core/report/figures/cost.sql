-- Seconds and peak memory of fitting and applying ReAlign, of exact search, and of a plain matrix product with the best of
-- each row, by number of candidates, width and queries; usual says what most pools were measured under.
with conditions as (
    select model, width, n_queries,
           row_number() over (partition by model order by count(distinct n_candidates) desc, width, n_queries) = 1 as usual
    from latest.efficiency
    group by model, width, n_queries
)
select model, operation, n_candidates, width, n_queries, usual, seconds, peak_memory_bytes
from latest.efficiency
join conditions using (model, width, n_queries)
order by model, width, n_queries, operation, n_candidates
