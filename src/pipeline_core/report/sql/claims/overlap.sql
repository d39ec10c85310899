-- Features in all three top-1% sets (by energy, by attribution, by a reduction of the bridge) of those in any, minus
-- the mean of the autoencoders that it is held against: those of the contrastive models, or the model's own centred
-- one. Each feature is a unit of its own.
-- Needs: generative, contrastive
with ranked as (
    select repetition, sae_id, models.place, feature_id, reduction, ceil(0.01 * count(*) over own - 1e-9) as size,
           row_number() over (own order by energy desc, feature_id) as by_energy,
           row_number() over (own order by attribution desc, feature_id) as by_attribution,
           row_number() over (own order by bridge desc, feature_id) as by_bridge
    from (
        select *, unnest(['bridge_abs', 'bridge_diagonal', 'bridge_max']) as reduction,
               unnest([bridge_abs, bridge_diagonal, bridge_max]) as bridge
        from seeds.features
    )
    join latest.models
        on (models.place = 0 and kind = 'generative' and sae_id = model || '/paper')
           or ($against = 'centred' and models.place = 0 and kind = 'generative' and sae_id = model || '/centred')
           or ($against = 'contrastive' and models.place > 0 and kind = 'contrastive'
               and starts_with(sae_id, model || '/'))
    window own as (partition by repetition, sae_id, reduction)
),
members as (
    select *, sae_id like '%/paper' and place = 0 as own
    from ranked
    where least(by_energy, by_attribution, by_bridge) <= size
),
counted as (
    select repetition, count(distinct sae_id) filter (not own) as n_others, count(*) filter (own) as n_own
    from members
    group by all
)
select repetition, reduction as "case", sae_id as task, sae_id || '/' || feature_id as family,
       (greatest(by_energy, by_attribution, by_bridge) <= size)::double as top, 1.0 as bottom,
       if(own, 1, -1 / n_others) as weight
from members
join counted using (repetition)
where n_others > 0 and n_own > 0
order by all
