-- The first texts of some features, and their modality: what they are called beside their numbers.
with asked as (select unnest(list_filter(string_split($features, ','), lambda one: one <> ''))::integer as feature_id),
first_texts as (
    select e.feature_id, list(s.text order by e."rank")[:3] as texts
    from latest.feature_examples e
    join latest.samples s using (sample_id)
    where e.sae_id = $sae and e.modality = 'text' and e.feature_id in (from asked)
    group by e.feature_id
)
select f.feature_id, f.modality, f.frequency, coalesce(texts, []) as texts
from latest.features f
left join first_texts using (feature_id)
where f.sae_id = $sae and f.feature_id in (from asked)
order by f.feature_id
