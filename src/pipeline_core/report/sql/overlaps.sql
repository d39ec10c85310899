-- Jaccard overlap of the top sets by energy, attribution and bridge.
select sae_id, share, bridge_reduction, set_size, energy_attribution, energy_bridge, attribution_bridge, triple
from feature_overlap
order by sae_id, share, bridge_reduction
