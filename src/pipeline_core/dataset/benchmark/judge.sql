-- Tasks, with candidates and queries of the same content judged alike: an exclusion outweighs a judgement.
create table placed as
    select pool_id, split, sample_id, modality, content, look
    from task_pools join found using (pool, split) join document using (id) join holds using (pool, finds, modality);
create table pools as select distinct * from placed;
drop table placed;
create table asked as
    select distinct task_id, pool_id, q.sample_id as query_id, q.id, q.split, prompt, q.content, q.look
    from tasks join question q on q.task = tasks.task and q.modality = asks
        join asks_for a on a.task = q.task and a.id = q.id and a.finds = tasks.finds
        left join told on told.task = q.task and told.id = q.id
    where q.split <> 'train' and control = 'none';
create table rightly as
    select task_id, a.query_id, a.split, a.content as asked_content, prompt, r.content, grade
    from asked a join tasks using (task_id)
        join answered r on r.task = tasks.task and r.query = a.id and r.modality = finds;
-- Its own picture, and right answers that are not of the modality asked for: neither right nor wrong in this task.
create table excluded as
    select task_id, query_id, p.sample_id
    from asked a join pools p using (pool_id, split, look)
        anti join rightly r on r.task_id = a.task_id and r.query_id = a.query_id and r.content = p.content
    union
    select a.task_id, a.query_id, p.sample_id
    from asked a join tasks using (task_id)
        join answered r on r.task = tasks.task and r.query = a.id and r.modality <> finds
        join pools p on p.pool_id = a.pool_id and p.split = a.split and p.content = r.content;
create table relevant as
    select distinct a.task_id, a.query_id, p.sample_id, g.grade
    from asked a join (
        select task_id, split, asked_content, prompt, content, max(grade) as grade from rightly group by all
    ) g on g.task_id = a.task_id and g.split = a.split and g.asked_content = a.content
            and g.prompt is not distinct from a.prompt
        join pools p on p.pool_id = a.pool_id and p.split = a.split and p.content = g.content
        anti join excluded e on e.task_id = a.task_id and e.query_id = a.query_id and e.sample_id = p.sample_id;
delete from asked
    where (task_id, query_id) not in (select (task_id, query_id) from relevant) and not (select asks_all from wanted);

create table used as
    select sample_id, split from found join document using (id)
    union all select sample_id, split from answered
    union all select sample_id, split from question;
create table splits as select sample_id, arg_max(split, later(split)) as split from used group by all;
drop table used;
create table alike as
    select look, split, min(sample_id) as "group"
    from document join splits using (sample_id) where look is not null group by all having count(*) > 1;
