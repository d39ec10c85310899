-- Correlation over the layers (Spearman's) of two things: of the attention that goes to the quadrant with the art or to
-- the words, the share that goes to the art, mean over pictures; and the mean hit rate of the layer's raw embeddings. The
-- interval is Fisher's for as many layers as are worth it: neighbours are alike, so that n of them count as
-- n (1 - ab) / (1 + ab), a and b the correlations of each thing with itself one layer before (Bartlett). A quantity of
-- our own: the paper names none.
-- Needs: generative, lens sweep
with attended as (
    select source, layer, avg(art / nullif(art + words, 0)) as art_share
    from latest.attention_quadrants
    where model = (select model from latest.models where place = 0 and kind = 'generative')
    group by all
),
scored as (
    select layer, avg(hit_rate) as hit_rate
    from (
        select layer, task_id, sum(hits) / sum(n_queries) as hit_rate
        from family_hits
        where study = 'layers' and adaptation = 'identity' and repetition = 0 and limited is null
              and model = (select model from latest.models where place = 0 and kind = 'generative')
        group by all
    )
    group by all
),
ranked as (
    select *, rank() over (partition by source order by art_share) as by_art,
           rank() over (partition by source order by hit_rate) as by_recall
    from attended join scored using (layer)
    where art_share is not null
),
lagged as (
    select *, lag(by_art) over (partition by source order by layer) as art_before,
           lag(by_recall) over (partition by source order by layer) as recall_before
    from ranked
),
correlated as (
    select source, corr(by_art, by_recall) as value, count(*) as n,
           corr(by_art, art_before) * corr(by_recall, recall_before) as product,
           -- Where neighbours do not differ at all, all layers count as one.
           if(isfinite(coalesce(product, 'nan')), greatest(product, 0), 1) as alike
    from lagged
    group by source
    having count(*) > 2
),
found as (
    select source, value, 1.96 / sqrt(greatest(n * (1 - alike) / (1 + alike) - 3, 1)) as reach from correlated
)
select if(source = 'last', 'last token', 'pooled tokens') as "case", value,
       tanh(atanh(greatest(value, -0.999)) - reach) as low, tanh(atanh(least(value, 0.999)) + reach) as high
from found
order by source
