-- Features that one feature meets in matched pairs, in the picture's code or the text's: the largest entries of the bridge.
with used as (select artifact from run_artifacts where run_id = $run and repetition = 0 and data = ''),
met as (
    select other_id as feature_id, 'in texts, as it is in pictures' as side, bridge
    from feature_pairs semi join used using (artifact)
    where sae_id = $sae and feature_id = $feature
    union all
    select feature_id, 'in pictures, as it is in texts', bridge
    from feature_pairs semi join used using (artifact)
    where sae_id = $sae and other_id = $feature and feature_id <> $feature
),
first_texts as (
    select e.feature_id, list(s.text order by e."rank")[:3] as texts
    from (from feature_examples semi join used using (artifact)) e
    join (from samples semi join used using (artifact)) s using (sample_id)
    where e.sae_id = $sae and e.modality = 'text' and e.feature_id in (select feature_id from met)
    group by e.feature_id
)
select feature_id, side, bridge, coalesce(texts, []) as texts
from met left join first_texts using (feature_id)
order by abs(bridge) desc, feature_id, side
limit 12
