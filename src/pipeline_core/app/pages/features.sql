-- A page of the features of one autoencoder: those of a kind whose numbers lie within bounds, and whose examples have the
-- words, in one order. n is how many there are in all; variants of one picture, which are of one group, are shown once.
with own as (from latest.feature_examples where sae_id = $sae),
saying as (select sample_id from latest.samples where $words <> '' and contains(lower(text), lower($words))),
said as (
    from saying
    union all
    select image_id from latest.pairs where text_id in (from saying)
),
named as (select distinct feature_id from own where sample_id in (from said)),
told as (
    select *, energy / nullif(sum(energy) over (), 0) as energy_share,
           attribution / nullif(sum(abs(attribution)) over (), 0) as similarity_share
    from latest.features
    where sae_id = $sae
),
chosen as (
    select *, count(*) over () as n
    from told
    where case $kind
              when 'alive' then modality is not null
              when 'pictures' then modality < 1 / 3
              when 'shared' then modality between 1 / 3 and 2 / 3
              when 'texts' then modality > 2 / 3
              when 'always on' then frequency > 0.9
              when 'dead' then modality is null
              else true
          end
      and ($words = '' or feature_id in (from named))
      and energy between $energy_from and $energy_to and attribution between $attribution_from and $attribution_to
),
page as (
    select *, case $sort when 'energy' then energy when 'attribution' then attribution when 'frequency' then frequency
                         when 'modality' then modality when 'bridge' then bridge_abs when 'feature' then -feature_id end as key
    from chosen
    order by if($up, key, null) asc nulls last, if($up, null, key) desc nulls last, feature_id
    limit $size offset $skipped
),
shown as (from own where feature_id in (select feature_id from page)),
paired as (from latest.pairs where image_id in (select sample_id from shown)),
known as materialized (
    from latest.samples where sample_id in (select sample_id from shown union all select text_id from paired)
),
captions as (
    select image_id as sample_id, min("text") as caption
    from paired join known on known.sample_id = text_id
    group by image_id
),
examples as (
    select e.feature_id, e.modality, e."rank",
           {'sample_id': e.sample_id, 'artifact': s.artifact, 'image_ref': s.image_ref, 'text': coalesce(s.text, caption)}
           as sample
    from shown e
    join known s using (sample_id)
    left join captions using (sample_id)
    qualify row_number() over (partition by e.feature_id, e.modality, s."group" order by e."rank") = 1
)
select page.* exclude (key), coalesce(pictures, []) as pictures, coalesce(texts, []) as texts
from page
left join (
    select feature_id, list(sample order by "rank") filter (modality = 'image')[:4] as pictures,
           list(sample order by "rank") filter (modality = 'text')[:3] as texts
    from examples
    group by feature_id
) using (feature_id)
order by if($up, key, null) asc nulls last, if($up, null, key) desc nulls last, feature_id
