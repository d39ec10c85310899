-- Features that one feature meets in matched pairs, in the picture's code or the text's: the largest entries of the bridge.
with met as (
    select other_id as feature_id, 'in texts, as it is in pictures' as side, bridge
    from latest.feature_pairs
    where sae_id = $sae and feature_id = $feature
    union all
    select feature_id, 'in pictures, as it is in texts', bridge
    from latest.feature_pairs
    where sae_id = $sae and other_id = $feature and feature_id <> $feature
)
from met
order by abs(bridge) desc, feature_id, side
limit 12
