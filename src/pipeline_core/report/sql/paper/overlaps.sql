-- Jaccard overlap of the top sets by energy, attribution and bridge: mean over the repetitions and the range that they span.
with long as (
    from (
        unpivot (
            select sae_id, share, bridge_reduction, set_size, energy_attribution, energy_bridge, attribution_bridge, triple,
                   repetition
            from seeds.feature_overlap
        )
        on energy_attribution, energy_bridge, attribution_bridge, triple into name sets value jaccard
    )
)
select sae_id, share, bridge_reduction, set_size, sets, avg(jaccard) as value, min(jaccard) as low, max(jaccard) as high,
       count(*)::integer as n_repetitions
from long
group by all
order by sae_id, share, bridge_reduction, sets
