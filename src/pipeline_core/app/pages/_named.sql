-- The first texts of some features, and their modality: what they are called beside their numbers.
with asked as (select unnest(list_filter(string_split($features, ','), lambda one: one <> ''))::integer as feature_id),
largest as materialized (
    from latest.feature_examples
    where sae_id = $sae and modality = 'text' and "rank" <= 3 and feature_id in (from asked)
),
first_texts as (
    select feature_id, list("text" order by "rank") as texts
    from largest join (from latest.samples where sample_id in (select sample_id from largest)) using (sample_id)
    group by feature_id
)
select f.feature_id, f.modality, f.frequency, coalesce(texts, []) as texts
from latest.features f
left join first_texts using (feature_id)
where f.sae_id = $sae and f.feature_id in (from asked)
order by f.feature_id
