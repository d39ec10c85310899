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
insert into faults
    select place(seq), 'no usable candidate answers it', true
    from question anti join answered on answered.task = question.task and query = question.id;
delete from question where (task, id) not in (select (task, query) from answered);
delete from answered where (task, query) not in (select (task, id) from question);
drop table documents;
drop table questions;
