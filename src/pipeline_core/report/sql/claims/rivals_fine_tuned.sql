-- Hit rate of ReAlign minus that of the best model fine-tuned for retrieval, used as it is.
with scored as (
    select m.repetition, m.task_id, models.place, models.fine_tuned, s.adaptation, m.value
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    join latest.models on models.model = s.model
    where s.study = 'main' and s.control = 'none'
          and (s.adaptation = 'identity'
               or (s.adaptation = 'realign' and s.variant = 'text' and s.fit_on = 'candidates'))
          and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
)
select own.repetition, own.task_id as "case", own.value - max(other.value) as value
from scored own
join scored other using (repetition, task_id)
where own.place = 0 and own.adaptation = 'realign'
      and other.place > 0 and other.fine_tuned and other.adaptation = 'identity'
group by own.repetition, own.task_id, own.value
order by own.task_id, own.repetition
