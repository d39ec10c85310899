-- The features that are active on one sample under each instruction, the largest first.
with coded as (
    select sae_id, prompt_id, unnest(features) as feature_id, unnest("values") as value
    from codes
    where artifact = $artifact and sample_id = $sample
)
select c.sae_id, c.prompt_id, c.feature_id::integer as feature_id, c.value, c.value / max(c.value) over (partition by c.prompt_id) as share, f.frequency, f.modality
from coded c
join features f on f.artifact = $of_features and f.feature_id = c.feature_id
qualify row_number() over (partition by c.prompt_id order by c.value desc, c.feature_id) <= 12
order by c.prompt_id, c.value desc, c.feature_id
