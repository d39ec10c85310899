-- What the latest completed run used, or the run that the connection names: scopes and views for people show no other.

CREATE VIEW latest_run AS
SELECT * FROM runs
WHERE state = 'completed' AND run_id = coalesce(getvariable('run'), run_id)
ORDER BY started DESC, run_id DESC LIMIT 1;
COMMENT ON VIEW latest_run IS 'The latest completed run, or the one that lens sql --run names: what the other views show.';
COMMENT ON COLUMN latest_run.seconds IS 'wall time of the run';

CREATE VIEW latest_artifacts AS
SELECT run_artifacts.* FROM run_artifacts SEMI JOIN latest_run USING (run_id)
WHERE repetition = 0 AND data = '';
COMMENT ON VIEW latest_artifacts IS 'Artifacts of the latest completed run, its repetitions and other data left out; latest.<table> has the rows of a table that they hold.';
COMMENT ON COLUMN latest_artifacts.artifact IS 'fingerprint, first 16 digits';
COMMENT ON COLUMN latest_artifacts.name IS 'the stage''s name in the run, e.g. sae/reference-mllm/paper';
COMMENT ON COLUMN latest_artifacts.stage IS 'stage';
COMMENT ON COLUMN latest_artifacts.seconds IS 'time in this run';

CREATE VIEW latest_repetitions AS
SELECT run_artifacts.* FROM run_artifacts SEMI JOIN latest_run USING (run_id) WHERE data = '';
COMMENT ON VIEW latest_repetitions IS 'Artifacts of the latest completed run with the repetition that each is of; seeds.<table> has the rows of a table that they hold.';
COMMENT ON COLUMN latest_repetitions.artifact IS 'fingerprint, first 16 digits';
COMMENT ON COLUMN latest_repetitions.name IS 'the stage''s name in the run, e.g. repetition-1/sae/reference-mllm/paper';
COMMENT ON COLUMN latest_repetitions.stage IS 'stage';
COMMENT ON COLUMN latest_repetitions.seconds IS 'time in this run';
