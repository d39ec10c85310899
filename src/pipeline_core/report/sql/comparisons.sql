-- Paired comparisons of systems at each task's cut-off; q is p corrected for the number of tests.
select s.model, c.system_id, s.label, c.baseline_id, b.label as baseline_label, t.task_id, t.task_type, c.k,
       c.delta, c.low, c.high, c.p, c.q
from latest.comparisons c
join latest.systems s using (system_id)
join latest.systems b on b.system_id = c.baseline_id
join latest.tasks t using (task_id)
where s.study = 'main' and c.metric = 'hit_rate' and t.control = 'none'
qualify row_number() over (
    partition by c.system_id, c.baseline_id, c.task_id order by abs(c.k - t.primary_k), c.k
) = 1
order by s.model, t.task_id, c.baseline_id, c.system_id
