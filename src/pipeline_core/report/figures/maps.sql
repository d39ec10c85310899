-- Attention to each image token from the last token (over all layers, and over the last third of them) and from all tokens
-- that are pooled, mean over heads and layers; of samples drawn by the digest of their names, as many pictures alone as
-- pictures with texts.
with depths as (
    select model, max(layer) as deepest from latest.attention_maps group by model
),
looks as (
    select a.*, 'all' as layers from latest.attention_maps a
    union all
    select a.*, 'last third' from latest.attention_maps a join depths d using (model)
    where a.source = 'last' and 3 * a.layer > 2 * d.deepest
),
cells as (
    select model, sample_id, source, layers, grid_h, grid_w, region, mass,
           unnest(weights) as weight, generate_subscripts(weights, 1) as cell
    from looks
),
means as (
    select model, sample_id, source, layers, grid_h, grid_w, region, cell, avg(weight) as weight, avg(mass) as mass
    from cells
    group by all
),
maps as (
    select model, sample_id, source, layers, grid_h, grid_w, region, list(weight order by cell) as weights,
           min(mass) as mass
    from means
    group by all
),
captions as (
    select p.image_id as sample_id, min_by(s.text, p.text_id) as caption
    from latest.pairs p
    join latest.samples s on s.sample_id = p.text_id
    group by all
),
chosen as (
    select sample_id, modality, coalesce(text, caption) as text, image_ref,
           row_number() over (partition by modality order by md5(sample_id)) as turn
    from latest.samples
    left join captions using (sample_id)
    where sample_id in (select sample_id from maps)
    order by turn, modality
    limit $n_samples
)
select model, sample_id, modality, text, image_ref, source, layers, grid_h, grid_w, region, mass, weights
from maps
join chosen using (sample_id)
order by model, turn, modality, source, layers
