-- The picture on which each of some features is largest.
select e.feature_id, s.sample_id, s.artifact, s.image_ref,
       coalesce((select min(t.text) from latest.pairs p join latest.samples t on t.sample_id = p.text_id
                 where p.image_id = s.sample_id), s.sample_id) as text
from latest.feature_examples e
join latest.samples s using (sample_id)
where e.sae_id = $sae and e.modality = 'image' and e."rank" = 1
  and list_contains(string_split($features, ','), e.feature_id::varchar)
order by e.feature_id
