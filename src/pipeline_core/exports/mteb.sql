-- Scores of the run's named systems on the test split; raw embeddings are called as their model, one model or all.
SELECT
    if(systems.adaptation = 'identity', model, model || '-' || substr(systems.system_id, length(model) + 2)) AS called,
    retrieval_metrics.artifact, task_id, tasks.task_type, metric, k, "value"
FROM latest.retrieval_metrics
JOIN latest.systems USING (artifact, system_id)
JOIN latest.tasks USING (task_id)
WHERE
    systems.study = 'main' AND systems.named AND systems.control = 'none' AND tasks.control = 'none'
    AND retrieval_metrics.split = 'test' AND systems.model = coalesce($model, systems.model)
ORDER BY systems.system_id, task_id, metric, k
