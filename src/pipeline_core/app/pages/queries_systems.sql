-- The systems of a model whose answers to each query are kept.
with used as (select artifact from run_artifacts where run_id = $run and repetition = 0 and data = '')
select s.system_id, s.label, s.adaptation, s.fit_on
from (from systems semi join used using (artifact)) s
left join adaptations a using (adaptation)
where s.model = $model and s.study = 'main' and s.named and s.control = 'none'
order by a.place nulls last, s.system_id
