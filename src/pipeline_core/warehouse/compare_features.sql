-- The features of two runs, $a and $b, counted: of each autoencoder how many there are, live, in each third of the modality
-- scores, on in nearly every sample, and how many hold 99% of the energy; a row a run.
WITH served AS (
    SELECT
        artifact, sae_id,
        count(*) FILTER (modality < 1 / 3) AS of_pictures,
        count(*) FILTER (modality >= 1 / 3 AND modality < 2 / 3) AS of_both,
        count(*) FILTER (modality >= 2 / 3) AS of_texts
    FROM features GROUP BY ALL
)
SELECT
    sae_id, if(run_id = $a, 'A', 'B') AS run, n_features AS features, n_live AS live, of_pictures, of_both, of_texts,
    n_always_on AS always_on, n_holding AS holding_99_percent
FROM energy_concentration
JOIN served USING (artifact, sae_id)
JOIN run_artifacts USING (artifact)
WHERE run_id IN ($a, $b) AND repetition = 0 AND data = ''
ORDER BY sae_id, run
