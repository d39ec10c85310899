-- The cosines of a question's raw embedding, told above, with those of the answers shown, each under its instruction.
with question as (select list_transform(string_split($question, ' '), lambda number: number::float) as asked),
answers as (select string_split(unnest(string_split($answers, chr(10))), chr(9)) as pair)
select e.sample_id, e.prompt_id, list_cosine_similarity(e.vector, question.asked) as score
from (from embeddings where artifact = $artifact and rep_id = $rep) e
join answers on (e.sample_id, e.prompt_id) = (pair[1], pair[2])
cross join question
order by score desc, e.sample_id
