-- The samples on which one feature is largest; variants of one picture, which are of one group, count as one.
with own as (from latest.feature_examples where sae_id = $sae and feature_id = $feature),
captions as (
    select p.image_id as sample_id, min(s.text) as caption
    from latest.pairs p join latest.samples s on s.sample_id = p.text_id
    where p.image_id in (select sample_id from own)
    group by p.image_id
)
select e.modality, e."rank", e.sample_id, s.artifact, s.image_ref, coalesce(s.text, caption) as text, e.value,
       e.value / max(e.value) over () as share,
       row_number() over (partition by e.modality, s."group" order by e."rank") > 1 as variant
from own e
join latest.samples s using (sample_id)
left join captions using (sample_id)
order by e.modality, e."rank"
