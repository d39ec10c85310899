-- Change of the hit rate when the top-attribution features of an autoencoder are removed.
-- Needs: generative, train or support
select e.repetition, e.task_id as "case", e.delta as value, e.low, e.high, e.q
from seeds.removal_effects e
join seeds.systems s using (repetition, system_id)
join latest.tasks t using (task_id)
where s.study = 'main' and e.selection = 'attribution' and e.feature_id is null
      and e.sae_id = (select model || '/' || $sae from latest.models where place = 0 and kind = 'generative')
      and e.metric = 'hit_rate' and e.k = t.primary_k and t.control = 'none' and t.task_type like $task_type
order by e.task_id, e.repetition
