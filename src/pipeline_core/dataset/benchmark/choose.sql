-- Which queries are asked, and which candidates they need: all, or as many as the table wanted says.
create table repeated as
    select pool, id, min(seq) as first from read_candidates group by all having count(*) > 1;
insert into faults
    select place(seq), 'duplicate of ' || place(first), true
    from read_candidates join repeated using (pool, id) where seq <> first;
delete from read_candidates using repeated
    where read_candidates.pool = repeated.pool and read_candidates.id = repeated.id and seq <> first;

create table first_asked as
    select task, id, min(seq) as seq from read_queries group by all;
insert into faults
    select place(q.seq), 'the query ' || id || ' is there already', true
    from read_queries q join first_asked f using (task, id) where q.seq <> f.seq;
create table asking as select q.* from read_queries q join first_asked using (task, id, seq);

create table answers as
    select task, query, candidate, max(grade) as grade from (
        select judgements.task, query, candidate, grade
        from judgements join asking on asking.task = judgements.task and asking.id = query
            and asking.published = judgements.published
        where grade > 0
        union all
        select listed.task, query, candidate, 1
        from listed join asking on asking.task = listed.task and asking.id = query
            join searches on searches.task = asking.task and searches.published = asking.published
        where "right" and not judged
    ) group by all;
create table unjudged as
    select asking.* from asking anti join answers on answers.task = asking.task and answers.query = asking.id;

-- The order is that of digests of answers, so that queries with one answer keep together. Where all are asked, those of
-- train without an answer may be support, too.
create table ordered as
    select task, published, id, first is not null as judged, row_number() over of_split as place_in,
           count(*) over (partition by task, published) as n
    from (
        select asking.task, published, id, min(candidate) as first
        from asking join answers on answers.task = asking.task and query = id group by all
        union all
        select task, published, id, null from unjudged
        where published = 'train' and (select asks_all and queries is null from wanted)
    )
    window of_split as (
        partition by task, published order by sha256((select key from wanted) || '/' || coalesce(first, id)), id
    );
create table supporting as
    select task, published, id, place_in, n from ordered
    where published = 'train' and place_in <= least((select support from wanted), n // 2);
create table unasked as
    select * from unjudged anti join supporting using (task, id)
    where published = 'train' or not (select asks_all and queries is null from wanted);
insert into faults select place(seq), 'no judged answer', false from unasked;
create table apart as
    select distinct answers.task, candidate from answers semi join supporting on supporting.task = answers.task and id = query;
create table chosen as
    select task, published, id, split from (
        select *, 'support' as split from supporting
        union all
        select * exclude (judged), published as split
        from ordered anti join supporting using (task, id)
        where judged and (published <> 'train' or not exists (
            from answers a join apart using (task, candidate) where a.task = ordered.task and a.query = ordered.id
        ))
    )
    qualify row_number() over (partition by task, split order by place_in)
        <= coalesce((select queries from wanted), n);
insert into chosen
    select task, published, id, published from unjudged anti join unasked using (task, id) where published <> 'train';

create table needed as
    select distinct pool, split, candidate
    from chosen join searches using (task, published) join (
        select task, query, candidate, true as "right" from answers
        union all
        select task, query, candidate, false from listed where not "right"
    ) as named on named.task = chosen.task and named.query = chosen.id
    where "right" or split <> 'train';
create table sides as
    select distinct chosen.task, searches.pool, asking.modality as asks, r.modality as finds
    from chosen join asking on asking.task = chosen.task and asking.id = chosen.id
        join searches on searches.task = chosen.task and searches.published = chosen.published
        join answers on answers.task = chosen.task and answers.query = chosen.id
        join read_candidates r on r.pool = searches.pool and r.id = answers.candidate
    where split <> 'train';
create table known as select asks as modality from sides union select finds from sides;
-- Of which modalities a pool is searched where one is asked for.
create table holds as
    select pool, finds, modality
    from (select distinct pool, finds from sides) join (select distinct pool, modality from read_candidates) using (pool)
    where modality = finds or (select mixed from wanted);
create table searched as select distinct pool, modality from holds;
create table distractors as
    select r.pool, split, r.modality, r.id
    from read_candidates r semi join searched using (pool, modality)
        join (
            select distinct pool, split from chosen join searches using (task, published)
            where split in ('validation', 'test')
        ) scored on scored.pool = r.pool
        anti join needed on needed.pool = r.pool and needed.split = scored.split and needed.candidate = r.id;
create table counted as select pool, split, modality, count(*) as n from distractors group by all;
