-- The word that tells the examples of each of some features from those of the autoencoder's features (of every n-th, so that
-- about 1,000 are counted) best: in how many of them it stands, and its lift, how many times more often than in those of all.
with asked as (select unnest(list_filter(string_split($features, ','), lambda one: one <> ''))::integer as feature_id),
held as (select feature_id, sample_id from latest.feature_examples where sae_id = $sae),
step as (select greatest(1, count(distinct feature_id) // 1000) as every from held),
counted as (
    select feature_id, sample_id, feature_id in (from asked) as own, feature_id % every = 0 as of_all
    from held cross join step
    where own or of_all
),
used as (select distinct sample_id from counted),
texts as (select sample_id, text from latest.samples semi join used using (sample_id) where text is not null),
captions as (
    select p.image_id as sample_id, min(t.text) as text
    from latest.pairs p join latest.samples t on t.sample_id = p.text_id
    where p.image_id in (from used)
    group by p.image_id
),
words as (
    select sample_id, unnest(list_distinct(regexp_extract_all(lower(text), '[\p{L}\p{N}]{2,}'))) as word
    from (from texts union all from captions)
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
