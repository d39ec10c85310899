-- One query: its sample, and the instruction that it is embedded under.
with used as (select artifact from run_artifacts where run_id = $run and repetition = 0 and data = ''),
of_data as (from samples semi join used using (artifact))
select q.query_id, q.split, q.prompt_id, s.sample_id, s.artifact, s.modality, s.image_ref,
       coalesce(s.text, (select min(t.text) from (from pairs semi join used using (artifact)) p
                         join of_data t on t.sample_id = p.text_id where p.image_id = s.sample_id)) as text
from (from queries semi join used using (artifact)) q
join of_data s using (sample_id)
where q.task_id = $task and q.query_id = $query
