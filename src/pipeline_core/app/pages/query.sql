-- One query: its sample, and the instruction that it is embedded under.
select q.query_id, q.split, q.prompt_id, s.sample_id, s.artifact, s.modality, s.image_ref,
       coalesce(s.text, (select min(t.text) from latest.pairs p
                         join latest.samples t on t.sample_id = p.text_id where p.image_id = s.sample_id)) as text
from latest.queries q
join latest.samples s using (sample_id)
where q.task_id = $task and q.query_id = $query
