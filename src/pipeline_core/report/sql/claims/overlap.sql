-- Overlap of the top 1% of features by energy, bridge and attribution: generative model minus mean of the contrastive.
-- Needs: generative, contrastive
with triples as (
    select o.repetition, models.place, models.kind, o.bridge_reduction, o.triple
    from seeds.feature_overlap o
    join latest.models on o.sae_id = models.model || '/paper'
                   or (models.kind = 'contrastive' and starts_with(o.sae_id, models.model || '/'))
    where o.share = 0.01
)
select own.repetition, own.bridge_reduction as "case", own.triple - avg(other.triple) as value
from triples own
join triples other using (repetition, bridge_reduction)
where own.place = 0 and own.kind = 'generative' and other.place > 0 and other.kind = 'contrastive'
group by own.repetition, own.bridge_reduction, own.triple
order by own.bridge_reduction, own.repetition
