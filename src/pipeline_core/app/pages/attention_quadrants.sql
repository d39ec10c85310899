-- Pictures with their art in one quadrant: the share of the attention to the picture that goes there, beside that of shuffled
-- pictures; a chance is 0.25. Mean over the samples, by layer.
select layer, avg(mass) as mass, avg(control) as control, avg(art) as art, avg(words) as words,
       count(distinct sample_id) as n_samples
from latest.attention_quadrants
where model = $model and source = $source
group by layer
order by layer
