-- On how many pictures and texts one feature is active, in 24 steps up to its largest value; step 0 has those on which it is
-- not. They are those that the table features is measured on: pictures and texts of train and support, or else of test, each
-- under the instruction that the examples of features are of.
with own as (select distinct modality, prompt_id from latest.feature_examples where sae_id = $sae),
learnt as (select sample_id, modality, split in ('train', 'support') as used from latest.samples where split in ('train', 'support', 'test')),
measured as (from learnt where used or not (select bool_or(used) from learnt)),
coded as (
    select m.modality, c."values"[nullif(list_position(c.features, $feature::uinteger), 0)] as value
    from (from codes where artifact = $artifact) c
    join measured m using (sample_id)
    semi join own on own.modality = m.modality and own.prompt_id = c.prompt_id
),
steps as (
    select *, if(value is null, 0, least(1 + (24 * value / max(value) over ())::double // 1, 24))::integer as step, max(value) over () as largest
    from coded
)
select modality, step, any_value(largest) * greatest(step - 1, 0) / 24 as low, any_value(largest) * step / 24 as high,
       count(*) as n, sum(count(*)) over (partition by modality)::bigint as n_measured
from steps
group by modality, step
order by modality, step
