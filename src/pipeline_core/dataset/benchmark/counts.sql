-- Each task: how many queries of its test split are asked, of how many, among how many candidates, of how many; and how
-- many are not as nothing usable answers them: of those chosen, if they are a sample.
select asked.task, asked.asks, asked.finds, of_split, n_asked, n_queries + coalesce(n_unjudged, 0), limited, n_found, n_candidates, drawn,
       coalesce(n_unanswered, 0)
from (
    select q.task, q.modality as asks, finds,
           list(distinct [q.split, pool] order by [q.split, pool]) as of_split,
           count(distinct q.id) filter (q.split = 'test') as n_asked
    from question q join asks_for using (task, id)
        join searches s on s.task = q.task and s.published = q.published
    where q.split <> 'train' group by all
) asked
left join (
    select q.task, q.modality as asks, r.modality as finds, pool, count(distinct q.id) as n_queries
    from asking q join searches using (task, published) join answers a on a.task = q.task and a.query = q.id
        join read_candidates r using (pool)
    where r.id = a.candidate and published = 'test' group by all
) there using (task, asks, finds)
left join (
    select task, modality as asks, count(*) as n_unjudged from unjudged anti join unasked using (task, id)
    where published = 'test' group by all
) using (task, asks)
left join (
    select task, max(n) > (select queries from wanted) as limited from ordered where published = 'test' group by all
) using (task)
left join (
    select pool, finds, count(*) as n_found from found join document using (id) join holds using (pool, modality)
    where split = 'test' group by all
) using (pool, finds)
left join (
    select pool, finds, count(*) as n_candidates from read_candidates join holds using (pool, modality) group by all
) using (pool, finds)
left join (
    select pool, finds, sum(n) > (select distractors from wanted) as drawn
    from counted join holds using (pool, modality) where split = 'test' group by all
) using (pool, finds)
left join (
    select task, modality as asks, count(*) as n_unanswered from asking
    where published = 'test' and (task, id) not in (select (task, id) from question)
        and ((task, id) in (select (task, id) from chosen)
            or (task, id) not in (select (task, id) from ordered) and (select queries from wanted) is null)
    group by all
) using (task, asks)
order by asked.task, asked.asks, asked.finds
