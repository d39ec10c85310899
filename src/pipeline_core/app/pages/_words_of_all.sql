-- In how many examples of an autoencoder's features (of every n-th, so that about 250 are counted) each word stands, and how
-- many examples these are.
with step as (
    select greatest(1, count(*) // 250) as every from latest.features where sae_id = $sae and modality is not null
),
counted as (
    select sample_id from latest.feature_examples where sae_id = $sae and feature_id % (select every from step) = 0
),
paired as (from latest.pairs where image_id in (from counted)),
texts as materialized (
    select sample_id, text from latest.samples
    where text is not null and sample_id in (from counted union all select text_id from paired)
),
shown as (
    from texts
    union all
    select image_id, min(text) from paired join texts on sample_id = text_id group by image_id
),
examples as (
    select unnest(list_distinct(regexp_extract_all(lower(text), '[\p{L}\p{N}]{2,}'))) as word
    from counted join shown using (sample_id)
)
select word, count(*) as n_with, (select count(*) from counted) as n
from examples
group by word
order by word
