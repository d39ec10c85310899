-- Features of one SAE with the largest attribution: over all, and among those active on less than a tenth of samples.
with ranked as (
    select *,
           row_number() over (order by attribution desc, feature_id) as place,
           row_number() over (partition by frequency < 0.1 order by attribution desc, feature_id) as sparse_place
    from latest.features
    where sae_id = $sae_id and modality is not null
),
leaders as (select *, false as sparse from ranked where place <= $n_leading),
specialists as (
    select *, true as sparse
    from ranked
    where frequency < 0.1 and feature_id not in (select feature_id from leaders)
    order by sparse_place
    limit $n_specific
)
select feature_id, frequency, energy, energy_rank, modality, attribution, attribution_rank, sparse
from (from leaders union all from specialists)
order by sparse, attribution desc, feature_id
