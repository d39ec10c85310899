-- Words of the texts on which one feature is largest: in how many of its examples, and in what share of the examples of the
-- autoencoder's features (of every n-th, so that about 1,000 are counted); lift is how many times more often. What stands in
-- at least half of them names the feature.
with held as (
    select feature_id, sample_id, feature_id = $feature as own
    from latest.feature_examples
    where sae_id = $sae
),
counted as (
    select *, feature_id % (select greatest(1, count(distinct feature_id) // 1000) from held) = 0 as of_all
    from held
    where own or of_all
),
texts as (select sample_id, text from latest.samples where text is not null),
shown as (
    select sample_id, text from texts where sample_id in (select sample_id from counted)
    union all
    select p.image_id, min(t.text)
    from latest.pairs p join texts t on t.sample_id = p.text_id
    where p.image_id in (select sample_id from counted)
    group by p.image_id
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
