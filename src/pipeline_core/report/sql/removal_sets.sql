-- What removing the subspace of the top features by attribution does, beside controls of the same rank.
select r.sae_id, s.model, r.system_id, r.selection, s.label, s.rank, t.task_id, t.task_type, r.k,
       r.delta, r.low, r.high, r.p, r.q
from latest.removal_effects r
join latest.systems s using (system_id)
join latest.tasks t using (task_id)
where s.study = 'main' and r.feature_id is null and r.metric = 'hit_rate' and t.control = 'none'
qualify row_number() over (
    partition by r.sae_id, r.system_id, r.selection, r.task_id order by abs(r.k - t.primary_k), r.k
) = 1
order by r.sae_id, r.task_id, r.selection, r.system_id
