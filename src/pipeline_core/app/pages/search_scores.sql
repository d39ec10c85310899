-- The scores of the answers shown. A map is linear but for lengths: a score is the product of the stored embedding with a
-- direction, which the question makes, and what is the same for all of a kind, over the length of the embedding as mapped.
with questions as (
    select part[1] as kind, part[2]::double as added,
           list_transform(string_split(part[3], ' '), lambda number: number::double) as direction
    from (select string_split(unnest(string_split($questions, chr(10))), chr(9)) as part)
),
answers as (
    select part[1] as sample_id, part[2] as prompt_id, part[3] as kind, part[4]::double as length
    from (select string_split(unnest(string_split($answers, chr(10))), chr(9)) as part)
)
select sample_id, prompt_id, (list_dot_product(e.vector::double[], direction) + added) / length as score
from (from embeddings where artifact = $artifact and rep_id = $rep) e
join answers using (sample_id, prompt_id)
join questions using (kind)
order by score desc, sample_id
