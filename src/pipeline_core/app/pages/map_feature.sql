-- The activation of one feature on every embedding that has some, as a share of the largest.
select sample_id, prompt_id, value / max(value) over () as share
from (
    select sample_id, prompt_id, "values"[list_position(features, $feature::uinteger)] as value
    from codes
    where artifact = $artifact and list_contains(features, $feature::uinteger)
)
order by sample_id, prompt_id
