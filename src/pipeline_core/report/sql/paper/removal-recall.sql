-- Hit rate from pictures to texts, raw and with the subspace of the top-attribution features removed, at each cut-off: mean
-- over the repetitions and the range that they span.
with scored as (
    select s.model, s.repetition, t.task_type, t.task_id, m.k, m.value,
           if(s.adaptation = 'identity', 'base',
              format('top-attribution features removed, SAE {}', split_part(s.sae_id, '/', -1))) as setting
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    where s.study = 'main' and s.control = 'none'
          and (s.adaptation = 'identity' or s.selection = 'attribution')
          and m.split = 'test' and m.metric = 'hit_rate' and t.control = 'none' and t.task_type = 'i->t'
)
select model, setting, task_type, task_id, k, avg(value) as value, min(value) as low, max(value) as high,
       count(*)::integer as n_repetitions
from scored
group by model, setting, task_type, task_id, k
order by model, setting <> 'base', setting desc, task_id, k
