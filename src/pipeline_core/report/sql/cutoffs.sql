-- Hit rate of raw, mean-removed and ReAligned embeddings on the test split at every cut-off.
select s.model, s.system_id, s.label, s.adaptation, s.variant, s.fit_on, s.control = 'shuffled_pairs' as shuffled,
       t.task_id, t.task_type, m.k, m.value, m.low, m.high
from latest.retrieval_metrics m
join latest.systems s using (system_id)
join latest.tasks t using (task_id)
where s.study = 'main' and s.named and m.split = 'test' and m.metric = 'hit_rate' and t.control = 'none'
      and s.adaptation in ('identity', 'mean_removal', 'realign')
order by t.task_id, s.model, s.system_id, m.k
