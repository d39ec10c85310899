-- A quantity of our own, since the paper names none: of the attention that goes to the quadrant with the art or to the
-- words, the share that goes to the art, mean over pictures, by layer; beside it the mean hit rate of that layer's raw
-- embeddings over the tasks, and how far the two go together over the layers (Spearman's correlation).
with attended as (
    select model, source, layer, avg(art) as art, avg(words) as words, avg(art / nullif(art + words, 0)) as art_share,
           count(distinct sample_id) as n_samples
    from latest.attention_quadrants
    group by all
),
scored as (
    select s.model, r.layer, avg(m.value) as hit_rate
    from latest.retrieval_metrics m
    join latest.systems s using (system_id)
    join latest.tasks t using (task_id)
    join latest.representations r on r.rep_id = s.rep_ids[1]
    where s.study = 'layers' and s.adaptation = 'identity'
          and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
    group by all
),
ranked as (
    select *, rank() over (partition by model, source order by art_share) as by_art,
           rank() over (partition by model, source order by hit_rate) as by_recall
    from attended
    left join scored using (model, layer)
)
select model, source, layer, art, words, art_share, hit_rate, n_samples,
       corr(by_art, by_recall) over (partition by model, source) as correlation
from ranked
order by model, source, layer
