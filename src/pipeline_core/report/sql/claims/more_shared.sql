-- Share of the live features that serve both (modality from 1/3 up to 2/3): mean of the contrastive models minus the
-- generative one; each feature is a unit of its own.
-- Needs: generative, contrastive
with live as (
    select features.*, models.place
    from seeds.features
    join latest.models on features.sae_id = models.model || '/paper'
                       or (models.kind = 'contrastive' and starts_with(features.sae_id, models.model || '/'))
    where modality is not null and (place = 0) = (kind = 'generative') and kind in ('generative', 'contrastive')
),
counted as (
    select repetition, count(distinct sae_id) filter (place > 0) as n_others, count(*) filter (place = 0) as n_own
    from live
    group by all
)
select repetition, 'all contrastive models' as "case", sae_id as task, sae_id || '/' || feature_id as family,
       (modality >= 1 / 3 and modality < 2 / 3)::double as top, 1.0 as bottom, if(place = 0, -1, 1 / n_others) as weight
from live
join counted using (repetition)
where n_others > 0 and n_own > 0
order by all
