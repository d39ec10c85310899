-- Change of the hit rate when one feature is removed alone, between texts and pictures; q is p corrected for all tests of
-- the removals of this model.
select s.model, e.sae_id, t.task_type, f.attribution_rank, e.feature_id, e.k, e.delta as value, e.low, e.high, e.q
from latest.removal_effects e
join latest.systems s using (system_id)
join latest.tasks t using (task_id)
join latest.features f on f.sae_id = e.sae_id and f.feature_id = e.feature_id
where s.study = 'removal' and e.selection = 'single' and e.metric = 'hit_rate' and e.k = t.primary_k
  and t.control = 'none' and t.task_type in ('t->i', 'i->t')
qualify t.task_id = min(t.task_id) over (partition by s.model, t.task_type)
order by s.model, e.sae_id, t.task_type desc, f.attribution_rank
