-- What can be found: each pool by split, and its documents.
create table found as
    select r.pool, split, r.id
    from needed join read_candidates r on r.pool = needed.pool and r.id = needed.candidate
    where case when split = 'train' then r.modality in (from known) else (r.pool, r.modality) in (from searched) end
    union all
    select pool, split, id from distractors;
insert into faults
    select 'pool ' || r.pool, 'no task asks for its ' || count(*) || ' candidates of modality ' || r.modality, false
    from read_candidates r anti join searched using (pool, modality)
        anti join found on found.pool = r.pool and found.id = r.id
    group by r.pool, r.modality;
create table documents as
    select r.* exclude (pool) from read_candidates r join (
        select id, min(seq) as seq from read_candidates semi join found using (pool, id) group by id
    ) using (id, seq);
create table questions as
    select q.*, split from asking q join chosen on chosen.task = q.task and chosen.id = q.id
    where split <> 'train' or modality in (from known);
