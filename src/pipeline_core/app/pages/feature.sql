-- The numbers of one feature, and what share of all energy and of all attribution (taken without signs) it has.
with told as (
    select *, energy / nullif(sum(energy) over (), 0) as energy_share,
           attribution / nullif(sum(abs(attribution)) over (), 0) as similarity_share, count(*) over () as n_features
    from latest.features
    where sae_id = $sae
)
from told where feature_id = $feature
