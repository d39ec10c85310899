-- Words of the texts on which one feature is largest: in how many of its examples, and in what share of the examples of all
-- features of the autoencoder; lift is how many times more often. What stands in at least half of them names the feature.
with used as (select artifact from run_artifacts where run_id = $run and repetition = 0 and data = ''),
texts as (select sample_id, text from samples semi join used using (artifact) where text is not null),
shown as (
    select sample_id, text from texts
    union all
    select p.image_id, min(t.text)
    from (from pairs semi join used using (artifact)) p join texts t on t.sample_id = p.text_id
    group by p.image_id
),
examples as (
    select feature_id, unnest(list_distinct(regexp_extract_all(lower(text), '[\p{L}\p{N}]{2,}'))) as word
    from (from feature_examples semi join used using (artifact))
    join shown using (sample_id)
    where sae_id = $sae
),
counted as (
    select count(*) as n, count(*) filter (feature_id = $feature) as n_own
    from (from feature_examples semi join used using (artifact))
    where sae_id = $sae
),
told as (
    select word, count(*) filter (feature_id = $feature) as n_with, any_value(n_own) as n_own,
           count(*) / any_value(n) as share_of_all
    from examples cross join counted
    group by word
    having n_with > 1
)
select word, n_with, n_own, n_with / n_own as share, share_of_all, share / share_of_all as lift
from told
order by share * ln(lift) desc, word
limit 6
