-- The samples on which one feature is largest; variants of one picture, which are of one group, count as one.
with used as (select artifact from run_artifacts where run_id = $run and repetition = 0 and data = ''),
of_data as (from samples semi join used using (artifact)),
own as (from feature_examples semi join used using (artifact) where sae_id = $sae and feature_id = $feature),
captions as (
    select p.image_id as sample_id, min(s.text) as caption
    from (from pairs semi join used using (artifact)) p join of_data s on s.sample_id = p.text_id
    where p.image_id in (select sample_id from own)
    group by p.image_id
)
select e.modality, e."rank", e.sample_id, s.artifact, s.image_ref, coalesce(s.text, caption) as text, e.value,
       e.value / max(e.value) over () as share,
       row_number() over (partition by e.modality, s."group" order by e."rank") > 1 as variant
from own e
join of_data s using (sample_id)
left join captions using (sample_id)
order by e.modality, e."rank"
