-- What systems that two runs, $a and $b, have in common scored on the test queries that both asked: one row a query.
-- Systems are the named ones of the models $model_a and $model_b; a query is the same when its words and its picture are.
WITH used AS (SELECT run_id, artifact FROM run_artifacts WHERE run_id IN ($a, $b) AND repetition = 0 AND data = ''),
asked AS (
    SELECT
        used.run_id, queries.artifact, queries.task_id, queries.query_id, tasks.task_type, tasks.primary_k, tasks.pool_id,
        samples.text, samples.sha256
    FROM queries
    JOIN used USING (artifact)
    JOIN tasks USING (artifact, task_id)
    JOIN samples USING (artifact, sample_id)
    WHERE queries.split = 'test' AND tasks.control = 'none'
),
shared AS (
    SELECT one.*
    FROM asked AS one
    JOIN asked AS other
        ON one.task_id = other.task_id AND one.query_id = other.query_id
        AND one.text IS NOT DISTINCT FROM other.text AND one.sha256 IS NOT DISTINCT FROM other.sha256
    WHERE one.run_id = $a AND other.run_id = $b
),
-- Queries whose first answer is of one family succeed or fail together.
families AS (
    SELECT shared.task_id, shared.query_id, first(samples."group" ORDER BY samples.sample_id) AS family
    FROM shared
    JOIN qrels USING (artifact, task_id, query_id)
    JOIN candidates USING (artifact, pool_id, sample_id)
    JOIN samples USING (artifact, sample_id)
    ANTI JOIN exclusions USING (artifact, task_id, query_id, sample_id)
    WHERE qrels.relevance >= 1 AND coalesce(candidates.split, 'test') = 'test'
    GROUP BY ALL
),
ranked AS (
    SELECT
        used.run_id, substr(systems.system_id, length(systems.model) + 2) AS "system", systems.label, systems.adaptation,
        systems.model, retrieval_ranks.task_id, retrieval_ranks.query_id, first_relevant_rank AS "rank"
    FROM retrieval_ranks
    JOIN used USING (artifact)
    JOIN systems USING (artifact, system_id)
    WHERE retrieval_ranks.split = 'test' AND systems.study = 'main' AND systems.named AND systems.control = 'none'
)
SELECT
    shared.task_id, shared.task_type, shared.primary_k AS k, one."system", one.label, coalesce(family, '') AS family,
    (one."rank" <= primary_k)::DOUBLE / if($metric = 'mrr', one."rank", 1) AS score_a,
    (other."rank" <= primary_k)::DOUBLE / if($metric = 'mrr', other."rank", 1) AS score_b
FROM shared
LEFT JOIN families USING (task_id, query_id)
JOIN ranked AS one ON (one.run_id, one.task_id, one.query_id) = ($a, shared.task_id, shared.query_id)
JOIN ranked AS other
    ON (other.run_id, other.task_id, other.query_id, other."system") = ($b, one.task_id, one.query_id, one."system")
LEFT JOIN adaptations ON adaptations.adaptation = one.adaptation
WHERE one.model = $model_a AND other.model = $model_b
ORDER BY adaptations.place, one."system", shared.task_id, shared.query_id
