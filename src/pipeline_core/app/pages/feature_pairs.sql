-- Features that one feature meets in matched pairs, in the picture's code or the text's: the largest entries of the bridge.
with met as (
    select other_id as feature_id, 'in texts, as it is in pictures' as side, bridge
    from latest.feature_pairs
    where sae_id = $sae and feature_id = $feature
    union all
    select feature_id, 'in pictures, as it is in texts', bridge
    from latest.feature_pairs
    where sae_id = $sae and other_id = $feature and feature_id <> $feature
),
shown as materialized (from met order by abs(bridge) desc, feature_id, side limit 12),
largest as materialized (
    from latest.feature_examples
    where sae_id = $sae and modality = 'text' and "rank" <= 3 and feature_id in (select feature_id from shown)
),
first_texts as (
    select feature_id, list("text" order by "rank") as texts
    from largest join (from latest.samples where sample_id in (select sample_id from largest)) using (sample_id)
    group by feature_id
)
select feature_id, side, bridge, coalesce(texts, []) as texts
from shown left join first_texts using (feature_id)
order by abs(bridge) desc, feature_id, side
