-- The examples of each feature of the autoencoder $sae_id, the largest code first.
SELECT
    feature_id, modality, coalesce(caption, sample_id) AS text, "value",
    max("value") OVER (PARTITION BY feature_id) AS largest
FROM latest.feature_examples LEFT JOIN captions USING (sample_id)
WHERE sae_id = $sae_id
ORDER BY feature_id, "value" DESC, sample_id
