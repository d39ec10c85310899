SELECT
    sae_id, feature_id, attribution, energy, modality, top_pictures, top_texts
FROM feature_summary
WHERE $sae_id::VARCHAR IS NULL OR sae_id = $sae_id
ORDER BY
    CASE $by
        WHEN 'attribution' THEN attribution
        WHEN 'energy' THEN energy
        WHEN 'bridge_abs' THEN bridge_abs
        WHEN 'bridge_diagonal' THEN bridge_diagonal
        WHEN 'modality' THEN modality
    END DESC NULLS LAST,
    sae_id, feature_id
LIMIT $limit
