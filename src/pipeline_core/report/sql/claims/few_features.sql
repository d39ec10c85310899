-- Share of all features that hold 99% of the energy, of each model. Each feature is a unit of its own: what one more
-- like it would change is whether it is among those that hold the energy, and by how many of the least of them its
-- energy shifts the mark.
with ranked as (
    select repetition, sae_id, feature_id, energy, sum(energy) over own as total,
           sum(energy) over (own order by energy desc, feature_id) as held
    from seeds.features
    join latest.models on sae_id = model || '/paper' or (kind = 'contrastive' and starts_with(sae_id, model || '/'))
    window own as (partition by repetition, sae_id)
),
holding as (
    select *, held - energy < 0.99 * total and energy > 0 as holds from ranked where total > 0
),
marked as (
    select *, min(energy) filter (holds) over own as least, sum(energy) filter (holds) over own / total as share
    from holding
    window own as (partition by repetition, sae_id)
)
select repetition, sae_id as "case", feature_id as family,
       holds::double - (if(holds, energy, 0) - share * energy) / least as top, 1.0 as bottom
from marked
order by all
