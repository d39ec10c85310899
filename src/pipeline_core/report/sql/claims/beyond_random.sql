-- Features in all three top-1% sets of those in any, minus what three sets of that size drawn at random among the
-- features that hold 99% of the energy would share: with s of n drawn, (s/n)^3 are in all and 1 - (1 - s/n)^3 in any.
-- Needs: generative
with ranked as (
    select repetition, sae_id, feature_id, reduction, ceil(0.01 * count(*) over own - 1e-9) as size,
           row_number() over (own order by energy desc, feature_id) as by_energy,
           row_number() over (own order by attribution desc, feature_id) as by_attribution,
           row_number() over (own order by bridge desc, feature_id) as by_bridge,
           sum(energy) over (own order by energy desc, feature_id) - energy < 0.99 * sum(energy) over own as holds
    from (
        select *, unnest(['bridge_abs', 'bridge_diagonal', 'bridge_max']) as reduction,
               unnest([bridge_abs, bridge_diagonal, bridge_max]) as bridge
        from seeds.features
    )
    where sae_id = (select model || '/paper' from latest.models where place = 0 and kind = 'generative')
    window own as (partition by repetition, sae_id, reduction)
),
drawn as (
    select *, size / count_if(holds) over (partition by repetition, reduction) as share from ranked
)
select repetition, reduction as "case", feature_id as family,
       (greatest(by_energy, by_attribution, by_bridge) <= size)::double - share ** 3 / (1 - (1 - share) ** 3) as top,
       1.0 as bottom
from drawn
where least(by_energy, by_attribution, by_bridge) <= size and share < 1
order by all
