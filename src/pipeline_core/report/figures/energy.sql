-- Cumulative energy of features ranked by energy.
select sae_id, "rank", feature_share, energy_share
from latest.energy_curve
order by sae_id, "rank"
