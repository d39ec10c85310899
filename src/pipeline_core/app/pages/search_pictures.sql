-- The picture on which each of some features, or of all, is largest.
with largest as materialized (
    from latest.feature_examples
    where sae_id = $sae and modality = 'image' and "rank" = 1
      and ($features = '' or list_contains(string_split($features, ','), feature_id::varchar))
),
paired as (from latest.pairs where image_id in (select sample_id from largest)),
known as materialized (
    from latest.samples where sample_id in (select sample_id from largest union all select text_id from paired)
),
captions as (
    select image_id as sample_id, min("text") as caption
    from paired join known on known.sample_id = text_id
    group by image_id
)
select l.feature_id, sample_id, s.artifact, s.image_ref, coalesce(caption, sample_id) as text
from largest l
join known s using (sample_id)
left join captions using (sample_id)
order by l.feature_id
