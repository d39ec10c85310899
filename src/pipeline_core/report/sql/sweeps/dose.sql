-- Change of the hit rate by what is removed: x is the share of features removed, the rank of the subspace at the share of
-- the analysis, or the number of features removed cumulatively; a mean that is removed has no dose. Mean over draws and
-- repetitions, and the range that they span; analysed_share is what the analysis removes. A row without a task type is the mean over the tasks.
with changes as (
    select s.model, e.sae_id, s.selection as removed, t.task_type, s.system_id, s.repetition,
           any_value(regexp_extract(split_part(s.system_id, '/', -2), '^(share|rank|cumulative)')) as sweep,
           any_value(s.share) as share, any_value(s."rank") as "rank", any_value(s.n_features) as n_features,
           avg(e.delta) as delta
    from seeds.removal_effects e
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    where s.study = 'removal' and e.feature_id is null and e.metric = 'hit_rate' and e.k = t.primary_k
      and t.control = 'none'
    group by grouping sets (
        (s.model, e.sae_id, removed, t.task_type, s.system_id, s.repetition),
        (s.model, e.sae_id, removed, s.system_id, s.repetition)
    )
)
select model, sae_id, sweep, removed as selection, task_type,
       case sweep when 'share' then share when 'rank' then "rank" when 'cumulative' then n_features end as x,
       avg(delta) as value, min(delta) as low, max(delta) as high,
       (select min(share) from latest.systems where study = 'main' and selection = 'attribution') as analysed_share
from changes
where task_type is null or task_type in ('t->i', 'i->t')
group by all
order by model, sae_id, sweep, selection, task_type nulls first, x
