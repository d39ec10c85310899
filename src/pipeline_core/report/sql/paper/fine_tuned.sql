-- Hit rate of models fine-tuned for retrieval, used as they are, beside ReAlign on the model studied, at each task's own
-- cut-off: mean over the repetitions and the range that they span. The model studied is ReAligned, fine-tuned or not.
with scored as (
    select models.place, models.model, a.label, m.repetition, t.task_type, t.task_id, t.primary_k as k, m.value
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    join latest.models on models.model = s.model
    join adaptations a using (adaptation)
    where s.study = 'main' and s.control = 'none'
          and ((models.place > 0 and models.fine_tuned and s.adaptation = 'identity')
               or (models.place = 0 and s.adaptation = 'realign' and s.variant = 'text' and s.fit_on = 'candidates'))
          and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
          and exists (from latest.models where place > 0 and fine_tuned)
)
select task_type, task_id, k, model, if(place > 0, 'fine-tuned', label) as setting,
       avg(value) as value, min(value) as low, max(value) as high, count(*)::integer as n_repetitions
from scored
group by task_type, task_id, k, model, label, place
order by task_id, place
