-- Hit rate without the instruction, and without instruction and template, over that with all tokens, mean over the
-- composed tasks.
-- Needs: generative, lens sweep
with scored as (
    select s.repetition, if(s.adaptation = 'identity', 'raw', 'ReAlign') as system, r.mask, m.task_id, m.value
    from seeds.retrieval_metrics m
    join seeds.systems s using (repetition, system_id)
    join latest.tasks t using (task_id)
    join latest.representations r on r.rep_id = s.rep_ids[1]
    where s.study = 'poolings' and r.pooling = 'mean'
          and (s.adaptation = 'identity' or (s.adaptation = 'realign' and s.fit_on = 'candidates'))
          and s.model = (select model from latest.models where place = 0 and kind = 'generative')
          and m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k
          and t.control = 'none' and t.query_modality = 'image_text'
)
select whole.repetition,
       whole.system || if(masked.mask = 'content', ', no instruction, no template', ', no instruction') as "case",
       avg(masked.value / whole.value) as value
from scored whole
join scored masked using (repetition, system, task_id)
where whole.mask = 'all' and masked.mask in ('no_prompt', 'content') and whole.value > 0
group by all
order by "case", whole.repetition
