-- Words of the texts on which one feature is largest: in how many of its examples, and in what share of the examples of the
-- autoencoder's features (of every n-th, so that about 250 are counted); lift is how many times more often. What stands in
-- at least half of them names the feature.
with step as (
    select greatest(1, count(*) // 250) as every from latest.features where sae_id = $sae and modality is not null
),
counted as (
    select sample_id, feature_id = $feature as own, feature_id % (select every from step) = 0 as of_all
    from latest.feature_examples
    where sae_id = $sae and (own or of_all)
),
paired as (from latest.pairs where image_id in (select sample_id from counted)),
texts as materialized (
    select sample_id, text from latest.samples
    where text is not null and sample_id in (select sample_id from counted union all select text_id from paired)
),
shown as (
    from texts
    union all
    select image_id, min(text) from paired join texts on sample_id = text_id group by image_id
),
examples as (
    select own, of_all, unnest(list_distinct(regexp_extract_all(lower(text), '[\p{L}\p{N}]{2,}'))) as word
    from counted join shown using (sample_id)
),
told as (
    select word, count(*) filter (own) as n_with, (select count(*) from counted where own) as n_own,
           greatest(count(*) filter (of_all), 1) / (select count(*) from counted where of_all) as share_of_all
    from examples
    group by word
    having n_with > 1
)
select word, n_with, n_own, n_with / n_own as share, share_of_all, share / share_of_all as lift
from told
order by share * ln(lift) desc, word
limit 6
