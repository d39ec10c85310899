-- For each of some samples, told as a list in JSON, what it is a variant of: the caption in its group of the shortest id,
-- as variants are called after what they vary.
with own as (
    select sample_id, "group" from latest.samples
    where sample_id in (select unnest($samples::json::varchar[])) and "group" is not null
)
select o.sample_id, min_by(t.text, (length(t.sample_id), t.sample_id)) as text
from own o join latest.samples t on t."group" = o."group"
where t.sample_id in (select text_id from latest.pairs)
group by o.sample_id
order by o.sample_id
