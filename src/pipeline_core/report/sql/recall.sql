-- Hit rate (the literature's Recall@k) of named systems on the test split, at the cut-off nearest to the task's own.
select s.model, s.system_id, s.label, s.adaptation, s.variant, s.fit_on, s.selection, s.sae_id, s.rank,
       s.control = 'shuffled_pairs' as shuffled,
       t.task_id, t.task_type, t.control, t.control_of, t.description,
       m.k, m.value, m.low, m.high, m.n_queries, m.n_candidates, m.chance
from latest.retrieval_metrics m
join latest.systems s using (system_id)
join latest.tasks t using (task_id)
where s.study = 'main' and s.named and m.split = 'test' and m.metric = 'hit_rate'
qualify row_number() over (partition by system_id, task_id order by abs(m.k - t.primary_k), m.k) = 1
order by task_id, system_id
