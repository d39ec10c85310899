-- Share of the live features that serve both (modality from 1/3 up to 2/3): mean of the contrastive models minus the
-- generative one.
-- Needs: generative, contrastive
with shared as (
    select f.repetition, models.place, models.kind, avg((f.modality >= 1 / 3 and f.modality < 2 / 3)::int) as value
    from seeds.features f
    join latest.models on f.sae_id = models.model || '/paper'
                   or (models.kind = 'contrastive' and starts_with(f.sae_id, models.model || '/'))
    where f.modality is not null
    group by all
)
select own.repetition, 'all contrastive models' as "case", avg(other.value) - own.value as value
from shared own
join shared other using (repetition)
where own.place = 0 and own.kind = 'generative' and other.place > 0 and other.kind = 'contrastive'
group by own.repetition, own.value
order by own.repetition
