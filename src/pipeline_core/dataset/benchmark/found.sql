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
-- One large join or grouping a statement, here and below: each holds a table of hashes while it lasts.
create table found_rows as
    select id, seq, hash(modality, text) as told from read_candidates semi join found using (pool, id);
create table first_found as
    select id, min(seq) as seq, max(seq) as last, min(told) <> max(told) as differ from found_rows group by id;
drop table found_rows;
create table documents as select * exclude (pool) from read_candidates semi join first_found using (seq);
create table questions as
    select q.*, split from asking q join chosen on chosen.task = q.task and chosen.id = q.id
    where split <> 'train' or modality in (from known);
create table shown as
    select picture, min(seq) as seq
    from (select picture, seq from documents union all select picture, seq from questions)
    where picture is not null group by picture;
