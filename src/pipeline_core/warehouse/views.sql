-- Views for people: each shows the artifacts of the latest completed run and answers one question with one select.

CREATE VIEW captions AS
SELECT sample_id, text AS caption FROM latest.samples WHERE text IS NOT NULL
UNION ALL
SELECT pairs.image_id, first(samples.text ORDER BY pairs.text_id)
FROM latest.pairs
JOIN latest.samples ON samples.sample_id = pairs.text_id
GROUP BY pairs.image_id;
COMMENT ON VIEW captions IS 'What samples of the latest run are called: a text, or that of a picture''s first pair; pictures in no pair have none.';
COMMENT ON COLUMN captions.caption IS 'the text';

CREATE VIEW feature_summary AS
WITH examples AS (
    SELECT
        artifact, sae_id, rep_id, feature_id,
        list(coalesce(caption, sample_id) ORDER BY rank) FILTER (modality = 'text' AND rank <= 3) AS top_texts,
        list(coalesce(caption, sample_id) ORDER BY rank) FILTER (modality = 'image' AND rank <= 3) AS top_pictures
    FROM latest.feature_examples LEFT JOIN captions USING (sample_id)
    GROUP BY ALL
)
SELECT
    sae_id, rep_id, feature_id, attribution, attribution_rank, modality, top_texts, top_pictures,
    energy, energy_rank, frequency, image_energy, text_energy, bridge_diagonal, bridge_max, bridge_abs,
    in_top_energy, in_top_bridge, in_top_attribution, artifact
FROM latest.features
LEFT JOIN examples USING (artifact, sae_id, rep_id, feature_id);
COMMENT ON VIEW feature_summary IS 'Features of the latest run with the captions of the samples on which they are largest.';
COMMENT ON COLUMN feature_summary.artifact IS 'the artifact that the row comes from: fingerprint, first 16 digits';
COMMENT ON COLUMN feature_summary.sae_id IS 'sparse autoencoder: <model>/<name>';
COMMENT ON COLUMN feature_summary.feature_id IS 'row of the SAE dictionary, from 0';
COMMENT ON COLUMN feature_summary.modality IS 'text / (image + text) energy: 1 is text, 0 picture; NULL when dead';
COMMENT ON COLUMN feature_summary.top_texts IS 'the three texts on which the feature is largest';
COMMENT ON COLUMN feature_summary.top_pictures IS 'captions of the three pictures on which the feature is largest';

CREATE VIEW recall AS
SELECT
    tasks.task_type, systems.model, systems.label, systems.adaptation, systems.variant, systems.fit_on,
    retrieval_metrics.value AS hit_rate, retrieval_metrics.low, retrieval_metrics.high, retrieval_metrics.chance,
    retrieval_metrics.k, retrieval_metrics.n_queries, retrieval_metrics.n_groups, retrieval_metrics.n_candidates,
    systems.selection, systems.sae_id, systems.named, retrieval_metrics.task_id, retrieval_metrics.system_id,
    retrieval_metrics.artifact
FROM latest.retrieval_metrics
JOIN latest.systems USING (artifact, system_id)
JOIN latest.tasks USING (task_id)
WHERE
    systems.study = 'main'
    AND retrieval_metrics.metric = 'hit_rate'
    AND retrieval_metrics.split = 'test'
    AND retrieval_metrics.k = tasks.primary_k
    AND tasks.control = 'none'
    AND systems.control = 'none';
COMMENT ON VIEW recall IS 'Recall at each task''s primary k on the test split of the latest run; controls are in retrieval_metrics, sweeps in sweeps.';
COMMENT ON COLUMN recall.artifact IS 'the artifact that the row comes from: fingerprint, first 16 digits';
COMMENT ON COLUMN recall.model IS 'model name';
COMMENT ON COLUMN recall.label IS 'the system in a few words';
COMMENT ON COLUMN recall.adaptation IS 'what is done to the embeddings, as in adaptations';
COMMENT ON COLUMN recall.hit_rate IS 'share of queries with a relevant candidate among the first k (the literature''s Recall@k)';
COMMENT ON COLUMN recall.selection IS 'features removed: attribution, or the control''s choice; NULL when none';
COMMENT ON COLUMN recall.sae_id IS 'SAE whose features are removed';
COMMENT ON COLUMN recall.low IS 'lower end of the 95% bootstrap interval; whole groups of queries are resampled';
COMMENT ON COLUMN recall.high IS 'upper end of the 95% bootstrap interval; whole groups of queries are resampled';
COMMENT ON COLUMN recall.n_candidates IS 'size of the pool';
COMMENT ON COLUMN recall.n_queries IS 'queries with a relevant candidate in the pool';
COMMENT ON COLUMN recall.n_groups IS 'independent groups of those queries, which intervals resample';

CREATE VIEW cut_texts AS
SELECT model, sample_id, prompt_id, n_tokens, n_kept, samples.text
FROM latest.long_texts
-- A model embeds samples of the analysis's data set, which repetitions divide anew.
JOIN latest.samples USING (sample_id)
WHERE n_tokens > n_kept;
COMMENT ON VIEW cut_texts IS 'Texts of the latest run whose ends a model did not see: they are longer than what it takes.';
COMMENT ON COLUMN cut_texts.model IS 'model name';
COMMENT ON COLUMN cut_texts.n_tokens IS 'tokens of the prompt, those of a picture left out';
COMMENT ON COLUMN cut_texts.prompt_id IS 'instruction it was embedded under; ''none'' for dual encoders';
COMMENT ON COLUMN cut_texts.text IS 'the whole text';

CREATE VIEW sweeps AS
SELECT
    systems.model, systems.study, tasks.task_type, systems.label, systems.adaptation, systems.variant, systems.fit_on,
    systems.beta, if(len(systems.rep_ids) = 1, representations.layer, NULL) AS layer, representations.pooling,
    coalesce(systems.mask, representations.mask) AS mask, systems.side, systems.selection, systems.sae_id, systems.share, systems.n_features, systems."rank",
    retrieval_metrics.value AS hit_rate, retrieval_metrics.low, retrieval_metrics.high, retrieval_metrics.chance,
    retrieval_metrics.k, retrieval_metrics.repetition, retrieval_metrics.n_queries, retrieval_metrics.n_groups,
    retrieval_metrics.n_candidates, systems.rep_ids, retrieval_metrics.task_id, retrieval_metrics.system_id,
    retrieval_metrics.artifact
FROM seeds.retrieval_metrics
JOIN seeds.systems USING (artifact, repetition, system_id)
-- Activations and tasks are those of the analysis: repetitions share the first and do not change the second.
JOIN latest.tasks USING (task_id)
LEFT JOIN latest.representations
    ON representations.rep_id = systems.rep_ids[1]
WHERE
    systems.study <> 'main'
    AND retrieval_metrics.metric = 'hit_rate'
    AND retrieval_metrics.split = 'test'
    AND retrieval_metrics.k = tasks.primary_k
    AND tasks.control = 'none'
    AND systems.control = 'none';
COMMENT ON VIEW sweeps IS 'Recall of every system of every sweep of the latest run, in each repetition, as in recall: layers, poolings and masks, adaptations, removals.';
COMMENT ON COLUMN sweeps.artifact IS 'the artifact that the row comes from: fingerprint, first 16 digits';
COMMENT ON COLUMN sweeps.study IS 'layers | poolings | masks | adaptations | removal: what it is compared within';
COMMENT ON COLUMN sweeps.side IS 'both | queries | candidates: whose tokens are masked; the other side pools all';
COMMENT ON COLUMN sweeps.mask IS 'tokens pooled: all | no_image | no_prompt | content | no_words';
COMMENT ON COLUMN sweeps.label IS 'the system in a few words';
COMMENT ON COLUMN sweeps.adaptation IS 'what is done to the embeddings, as in adaptations';
COMMENT ON COLUMN sweeps.layer IS '0 is the embedding layer, -1 stands for dual encoders; NULL when layers are combined';
COMMENT ON COLUMN sweeps.selection IS 'features or directions removed; NULL when none';
COMMENT ON COLUMN sweeps.sae_id IS 'SAE whose features are removed';
COMMENT ON COLUMN sweeps.n_features IS 'features removed: the first so many of the selection''s ranking';
COMMENT ON COLUMN sweeps.share IS 'share of features removed';
COMMENT ON COLUMN sweeps."rank" IS 'dimensions projected out, or kept by PCA (NULL: all)';
COMMENT ON COLUMN sweeps.hit_rate IS 'share of queries with a relevant candidate among the first k (the literature''s Recall@k)';
COMMENT ON COLUMN sweeps.low IS 'lower end of the 95% bootstrap interval; whole groups of queries are resampled';
COMMENT ON COLUMN sweeps.high IS 'upper end of the 95% bootstrap interval; whole groups of queries are resampled';
COMMENT ON COLUMN sweeps.n_candidates IS 'size of the pool';
COMMENT ON COLUMN sweeps.n_queries IS 'queries with a relevant candidate in the pool';
COMMENT ON COLUMN sweeps.n_groups IS 'independent groups of those queries, which intervals resample';

CREATE VIEW stage_times AS
SELECT
    used.name, used.stage, stages.seconds AS build_seconds, used.cached,
    used.seconds AS run_seconds, stages.peak_memory_bytes, stages.rows, stages.bytes, stages.created,
    used.artifact
FROM run_artifacts AS used
SEMI JOIN latest_run USING (run_id)
JOIN stages USING (artifact)
WHERE used.repetition = 0;
COMMENT ON VIEW stage_times IS 'What each stage of the latest run took, whether it was built then or found.';
COMMENT ON COLUMN stage_times.artifact IS 'fingerprint, first 16 digits';
COMMENT ON COLUMN stage_times.name IS 'the stage''s name in the run, e.g. sae/reference-mllm/paper';
COMMENT ON COLUMN stage_times.stage IS 'stage';
COMMENT ON COLUMN stage_times.build_seconds IS 'time it took to build, in whichever run did';
COMMENT ON COLUMN stage_times.peak_memory_bytes IS 'peak resident memory of the process that built it';
COMMENT ON COLUMN stage_times.run_seconds IS 'time in the latest run';

CREATE VIEW task_limits AS
SELECT
    systems.model, tasks.task_id,
    max(retrieval_metrics.value) FILTER (systems.adaptation = 'identity') AS raw,
    max(retrieval_metrics.low) AS highest_low, max(retrieval_metrics.chance) AS chance,
    CASE WHEN raw >= 0.95 THEN 'ceiling' WHEN highest_low <= max(retrieval_metrics.chance) THEN 'floor' END AS limited
FROM latest.retrieval_metrics
JOIN latest.systems USING (artifact, system_id)
JOIN latest.tasks USING (task_id)
WHERE
    systems.study = 'main' AND systems.control = 'none'
    AND (systems.adaptation = 'identity' OR (systems.adaptation = 'realign' AND systems.fit_on = 'candidates'))
    AND retrieval_metrics.metric = 'hit_rate' AND retrieval_metrics.split = 'test'
    AND retrieval_metrics.k = tasks.primary_k AND tasks.control = 'none'
GROUP BY systems.model, tasks.task_id;
COMMENT ON VIEW task_limits IS 'Where a task of the latest run can show no gain, for each model: it decides no claim about gains.';
COMMENT ON COLUMN task_limits.raw IS 'hit rate of the raw embedding at the task''s primary k';
COMMENT ON COLUMN task_limits.highest_low IS 'lower end of the interval, raw or with ReAlign, whichever is higher';
COMMENT ON COLUMN task_limits.chance IS 'expected hit rate of a random ranking';
COMMENT ON COLUMN task_limits.limited IS 'ceiling: raw finds 95% or more; floor: neither raw nor ReAlign is above chance; NULL: it can decide';

CREATE VIEW family_hits AS
SELECT
    retrieval_ranks.repetition, systems.model, systems.study, systems.adaptation, systems.variant, systems.fit_on,
    systems.beta, systems.selection, systems.sae_id, systems.share, systems.energy_ratio, systems.rank, systems.label,
    len(systems.rep_ids)::INTEGER AS n_layers,
    representations.layer, representations.pooling, coalesce(systems.mask, representations.mask) AS mask,
    coalesce(systems.side, 'both') AS side, systems.system_id,
    tasks.task_id, tasks.task_type, tasks.query_modality, task_limits.limited, retrieval_ranks.family,
    count_if(retrieval_ranks.first_relevant_rank <= tasks.primary_k)::DOUBLE AS hits, count(*)::DOUBLE AS n_queries
FROM seeds.retrieval_ranks
JOIN seeds.systems USING (repetition, artifact, system_id)
JOIN latest.tasks USING (task_id)
LEFT JOIN latest.representations ON representations.rep_id = systems.rep_ids[1]
LEFT JOIN task_limits ON task_limits.model = systems.model AND task_limits.task_id = tasks.task_id
WHERE retrieval_ranks.split = 'test' AND tasks.control = 'none' AND systems.control = 'none'
GROUP BY ALL;
COMMENT ON VIEW family_hits IS 'Hits of each system on the test split at each task''s primary k, by family: what the tests of the claims add up.';
COMMENT ON COLUMN family_hits.repetition IS '0 for the analysis itself, 1 and more for the repetitions with other seeds';
COMMENT ON COLUMN family_hits.limited IS 'ceiling | floor of the task for the model, as in task_limits; NULL: it can decide';
COMMENT ON COLUMN family_hits.hits IS 'queries of the family with a relevant candidate among the first k';
COMMENT ON COLUMN family_hits.n_queries IS 'queries of the family';
COMMENT ON COLUMN family_hits.rank IS 'dimensions projected out, or kept by PCA (NULL: all)';
COMMENT ON COLUMN family_hits.model IS 'model name';
COMMENT ON COLUMN family_hits.adaptation IS 'what is done to the embeddings, as in adaptations';
COMMENT ON COLUMN family_hits.selection IS 'features or directions removed, as in systems; NULL when none';
COMMENT ON COLUMN family_hits.sae_id IS 'SAE whose features are removed';
COMMENT ON COLUMN family_hits.share IS 'share of features removed';
COMMENT ON COLUMN family_hits.energy_ratio IS 'energy of the features of a selection over that of as many with the largest attribution';
COMMENT ON COLUMN family_hits.label IS 'the system in a few words';
COMMENT ON COLUMN family_hits.layer IS 'layer of the representation, of the first where several are averaged; -1 of a dual encoder';
COMMENT ON COLUMN family_hits.n_layers IS 'representations that it averages: 1, or the layers that are combined';
COMMENT ON COLUMN family_hits.mask IS 'tokens pooled, as in systems';
COMMENT ON COLUMN family_hits.side IS 'both | queries | candidates: whose tokens are masked; the other side pools all';
