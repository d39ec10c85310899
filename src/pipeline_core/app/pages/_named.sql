-- The first texts of features, of some or of all, and their modality: what they are called beside their numbers.
with asked as (
    select feature_id, modality, frequency
    from latest.features
    where sae_id = $sae and ($features = '' or list_contains(string_split($features, ','), feature_id::varchar))
),
largest as materialized (
    from latest.feature_examples
    where sae_id = $sae and modality = 'text' and "rank" <= 3 and feature_id in (select feature_id from asked)
),
first_texts as (
    select feature_id, list("text" order by "rank") as texts
    from largest join (from latest.samples where sample_id in (select sample_id from largest)) using (sample_id)
    group by feature_id
)
select feature_id, modality, frequency, coalesce(texts, []) as texts
from asked left join first_texts using (feature_id)
order by feature_id
