-- One sample of the data set, a picture with the first of its texts.
select s.artifact, s.sample_id, s.modality, s.image_ref,
       coalesce(s.text, (select min(t.text) from latest.pairs p
                         join latest.samples t on t.sample_id = p.text_id where p.image_id = $sample)) as text
from latest.samples s
where s.sample_id = $sample
