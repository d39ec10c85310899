select document.sample_id, modality, text, picture as image_ref, sha256, width, height,
       coalesce(alike."group", document.sample_id) as "group", splits.split
from document join splits using (sample_id)
    left join alike on alike.look = document.look and alike.split = splits.split
union all
select sample_id, modality, text, picture, sha256, width, height, sample_id, split from question
union all
select distinct part || q.sample_id, part_modality, case when part_modality = 'text' then text end,
       case when part_modality = 'image' then picture end, case when part_modality = 'image' then sha256 end,
       case when part_modality = 'image' then width end, case when part_modality = 'image' then height end,
       q.sample_id, q.split
from asked join tasks on tasks.control_of = asked.task_id join question q on q.sample_id = asked.query_id
