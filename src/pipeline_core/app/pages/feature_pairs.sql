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
first_texts as (
    select e.feature_id, list(s.text order by e."rank")[:3] as texts
    from latest.feature_examples e
    join latest.samples s using (sample_id)
    where e.sae_id = $sae and e.modality = 'text' and e.feature_id in (select feature_id from met)
    group by e.feature_id
)
select feature_id, side, bridge, coalesce(texts, []) as texts
from met left join first_texts using (feature_id)
order by abs(bridge) desc, feature_id, side
limit 12
