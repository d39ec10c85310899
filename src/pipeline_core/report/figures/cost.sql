-- Seconds and peak memory of fitting and applying ReAlign and of exact search, by number of candidates.
select model, operation, n_candidates, width, n_queries, seconds, peak_memory_bytes
from latest.efficiency
order by model, operation, n_candidates
