select distinct case when q.modality = 'image' then q.sample_id else a.sample_id end as image_id,
       case when q.modality = 'text' then q.sample_id else a.sample_id end as text_id, q.split
from answered a join question q on q.task = a.task and q.id = a.query
    join splits on splits.sample_id = a.sample_id and splits.split = q.split
where q.modality in ('image', 'text') and a.modality in ('image', 'text') and q.modality <> a.modality
