-- Milliseconds and MiB of ReAlign (its statistics and its application), of one exact search and of a plain matrix product,
-- by width, number of candidates and of queries.
select model, width, n_candidates, n_queries,
       1000 * sum(seconds) filter (operation in ('fit', 'apply')) as realign_ms,
       max(peak_memory_bytes) filter (operation in ('fit', 'apply')) / 1048576 as realign_mib,
       1000 * sum(seconds) filter (operation = 'search') as search_ms,
       max(peak_memory_bytes) filter (operation = 'search') / 1048576 as search_mib,
       1000 * sum(seconds) filter (operation = 'product') as product_ms
from latest.efficiency
group by all
order by model, width, n_candidates, n_queries
