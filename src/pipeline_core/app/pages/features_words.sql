-- The word that tells the examples of each of some features, or of all, from those of the autoencoder's features (of every
-- n-th, so that about 250 are counted) best: in how many of them it stands, and its lift, how many times more often.
with step as (
    select greatest(1, count(*) // 250) as every from latest.features where sae_id = $sae and modality is not null
),
counted as (
    select feature_id, sample_id, $features = '' or list_contains(string_split($features, ','), feature_id::varchar) as own,
           feature_id % (select every from step) = 0 as of_all
    from latest.feature_examples
    where sae_id = $sae and (own or of_all)
),
paired as (from latest.pairs where image_id in (select sample_id from counted)),
texts as materialized (
    select sample_id, text from latest.samples
    where text is not null and sample_id in (select sample_id from counted union all select text_id from paired)
),
words as (
    select sample_id, unnest(list_distinct(regexp_extract_all(lower(text), '[\p{L}\p{N}]{2,}'))) as word
    from (from texts union all select image_id, min(text) from paired join texts on sample_id = text_id group by image_id)
),
among as (
    select word, count(*) / (select count(*) from counted where of_all) as share_of_all
    from counted join words using (sample_id)
    where of_all
    group by word
),
sizes as (select feature_id, count(*) as n_own from counted where own group by feature_id),
told as (
    select feature_id, word, count(*) as n_with
    from counted join words using (sample_id)
    where own
    group by feature_id, word
    having n_with > 1
)
select feature_id, word, n_with, n_own, n_with / n_own as share, share / coalesce(share_of_all, 1 / (select count(*) from counted where of_all)) as lift
from told join sizes using (feature_id) left join among using (word)
where 2 * n_with >= n_own and lift > 1
qualify row_number() over (partition by feature_id order by share * ln(lift) desc, word) = 1
order by feature_id
