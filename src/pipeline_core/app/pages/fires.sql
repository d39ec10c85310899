-- The first samples on which one feature is largest, a picture of each group, as they are shown to the model.
with own as (
    select e.modality, e."rank", e.sample_id, e.prompt_id, e.value, s.artifact, s.text, s.image_ref, s.sha256
    from latest.feature_examples e join latest.samples s using (sample_id)
    where e.sae_id = $sae and e.feature_id = $feature
    qualify row_number() over (partition by e.modality, s."group" order by e."rank") = 1
)
select *, coalesce(text, (select min(t.text) from latest.pairs p join latest.samples t on t.sample_id = p.text_id
                          where p.image_id = own.sample_id)) as caption
from own
qualify row_number() over (partition by modality order by "rank") <= $most
order by modality, "rank"
