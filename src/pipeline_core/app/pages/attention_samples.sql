-- Samples with a map of where they are looked at, and what they are called.
with looked as (select distinct sample_id from latest.attention_maps where model = $model)
select s.sample_id, s.artifact, s.image_ref, s.modality,
       coalesce(s.text, (select min(t.text) from latest.pairs p join latest.samples t on t.sample_id = p.text_id
                         where p.image_id = s.sample_id)) as text
from latest.samples s
where s.sample_id in (from looked)
order by s.sample_id
limit 60
