-- What is left of it once pictures were looked at.
insert into faults
    select place(seq), fault, true from documents join pictures using (picture) where fault is not null;
insert into faults
    select place(seq), fault, true from questions join pictures using (picture) where fault is not null;
create macro content(text, look) as md5_number(coalesce('t' || text, '') || chr(0) || coalesce(look, ''));
create table document as
    select 'corpus:' || id as sample_id, d.*, sha256, width, height, look, content(text, look) as content
    from documents d left join pictures using (picture) where fault is null;
create table answered as
    select q.task, q.id as query, q.split, d.id, d.sample_id, d.modality, d.content, grade
    from questions q join answers on answers.task = q.task and query = q.id
        join document d on d.id = candidate;
create table question as
    select 'query:' || case when count(*) over (partition by id) > 1 then q.task || ':' else '' end || id as sample_id, q.*, sha256, width, height, look, content(text, look) as content
    from questions q left join pictures using (picture) where fault is null;
create table unanswered as
    select question.* from question anti join answered on answered.task = question.task and query = question.id;
insert into faults
    select place(seq), 'no usable candidate answers it', true
    from unanswered semi join (from ordered where judged) using (task, id);
delete from question
    where (task, id) in (select (task, id) from unanswered) and (split = 'train' or not (select asks_all from wanted));
delete from answered where (task, query) not in (select (task, id) from question);
-- What each query asks for: what answers it, or, without an answer, all that the like of it ask for.
create table asks_for as
    select distinct q.task, q.id, a.modality as finds
    from question q join answered a on a.task = q.task and a.query = q.id
    union
    select u.task, u.id, a.modality
    from unanswered u join question q on q.task = u.task and q.modality = u.modality and q.split <> 'train'
        join answered a on a.task = q.task and a.query = q.id
    where (u.task, u.id) in (select (task, id) from question);
drop table documents;
drop table questions;
