-- The statistics of the claims from the paper's own figures, where it has them: percentages as shares, known misprints
-- left out, and with each the number that it is compared with.
with printed as (
    select * from paper_values where misprint is null
),
gains as (
    select own.item, own.setting, other.setting as baseline, avg(own.value - other.value) / 100 as value
    from printed own
    join printed other using (item, model, dataset, quantity)
    where quantity = 'R@5' or item = 'Table 3'
    group by all
),
tuned as (
    select dataset, max(value) filter (setting = 'ReAlign') - max(value) filter (setting = 'fine-tuned') as value
    from printed where item = 'Table 4' group by all
),
times as (
    select model, max(value) filter (setting = 'ReAlign') / max(value) filter (setting = 'similarity search') as value
    from printed where item = 'Table 7' and quantity = 'time (ms)' group by all
)
select 'few_features' as part, avg(value) / 100 as paper_value from printed where item = 'Figure 3'
union all
select 'overlap',
       avg(value) filter (model not in ('CLIP', 'SigLIP2')) - avg(value) filter (model in ('CLIP', 'SigLIP2'))
from printed where item = 'Table 1' and quantity = 'triple_overlap'
union all
select 'removal_raises', value from gains
where item = 'Table 2' and setting = 'top-attribution concepts removed' and baseline = 'base'
union all
select 'realign_everywhere', value from gains where item = 'Table 3' and setting = 'ReAlign' and baseline = 'base'
union all
select 'beats_' || lower(baseline), value from gains
where item = 'Table 8' and setting = 'ReAlign' and baseline in ('PCA', 'ZCA')
union all
select 'cost', avg(value) from times
union all
select 'rivals_fine_tuned', avg(value) / 100 from tuned
union all
select 'beats_' || string_split(baseline, ' ')[1], value from gains
where item = 'Table 5' and setting = 'mean' and baseline <> 'mean'
order by part
