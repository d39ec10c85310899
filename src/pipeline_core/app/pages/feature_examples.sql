-- The samples on which one feature is largest; variants of one picture, which are of one group, count as one.
with own as (from latest.feature_examples where sae_id = $sae and feature_id = $feature),
paired as (from latest.pairs where image_id in (select sample_id from own)),
known as materialized (
    from latest.samples where sample_id in (select sample_id from own union all select text_id from paired)
),
captions as (
    select image_id as sample_id, min("text") as caption
    from paired join known on known.sample_id = text_id
    group by image_id
)
select e.modality, e."rank", e.sample_id, s.artifact, s.image_ref, coalesce(s.text, caption) as text, e.value,
       e.value / max(e.value) over () as share,
       row_number() over (partition by e.modality, s."group" order by e."rank") > 1 as variant
from own e
join known s using (sample_id)
left join captions using (sample_id)
order by e.modality, e."rank"
