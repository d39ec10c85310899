-- The samples of the run with what each is called.
SELECT sample_id, modality, caption AS text, split, "group", image_ref
FROM latest.samples LEFT JOIN captions USING (sample_id)
