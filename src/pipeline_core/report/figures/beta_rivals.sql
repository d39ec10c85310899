-- Mean hit rate over the tasks and repetitions of everything that is held against ReAlign, by the candidates' statistics;
-- by joint ones too where dimensions are left out, as two sides would leave out different ones.
with rivals as (
    select s.* replace (concat(s.method, if(s.fit_on = 'joint', ', joint', '')) as label)
    from seeds.systems s
    where s.study = 'adaptations' and (s.adaptation <> 'realign' or len(s.rep_ids) > 1)
      and (coalesce(s.fit_on, 'candidates') = 'candidates'
           or (s.fit_on = 'joint'
               and s.adaptation in (select adaptation from latest.systems where study = 'adaptations' and "rank" is not null)))
)
select r.model, r.adaptation, r.fit_on, r.beta, r."rank", r.label, a.colour, avg(m.value) as value
from seeds.retrieval_metrics m
join rivals r using (repetition, system_id)
join latest.tasks t using (task_id)
left join adaptations a using (adaptation)
where m.split = 'test' and m.metric = 'hit_rate' and m.k = t.primary_k and t.control = 'none'
group by all
order by r.model, value desc, r.adaptation, r.fit_on, r.beta, r."rank"
