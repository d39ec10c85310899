-- How many features hold 99% of the energy.
select sae_id, min("rank") as n_features, min(feature_share) as feature_share
from latest.energy_curve
where energy_share >= 0.99
group by sae_id
order by sae_id
