-- How many features hold half, 90% and 99% of the energy: mean over the repetitions and the range that they span.
with levels as (
    select unnest([0.5, 0.9, 0.99]) as energy_share
),
reached as (
    select c.sae_id, c.repetition, levels.energy_share, min(c."rank") as n_features, min(c.feature_share) as feature_share
    from seeds.energy_curve c
    join levels on c.energy_share >= levels.energy_share
    group by all
)
select sae_id, energy_share::double as energy_share, avg(n_features) as n_features, avg(feature_share) as value,
       min(feature_share) as low, max(feature_share) as high, count(*)::integer as n_repetitions
from reached
group by all
order by sae_id, energy_share
