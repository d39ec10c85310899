-- The benchmark's own instruction of each query, by its data set, what asks and what answers.
create table told as
    select task, id, asks, finds, collection, text as prompt from (
        select q.task, q.id, split_part(q.id, ':', 1) as collection, q.modality as asks,
               coalesce(arg_min(a.modality, a.id), min(f.finds)) as finds
        from question q join asks_for f using (task, id) left join answered a on a.task = q.task and a.query = q.id
        group by all
    ) left join instructions using (collection, asks, finds);
