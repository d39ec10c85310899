-- The systems of a model whose answers to each query are kept.
select s.system_id, s.label, s.adaptation, s.fit_on
from latest.systems s
left join adaptations a using (adaptation)
where s.model = $model and s.study = 'main' and s.named and s.control = 'none'
order by a.place nulls last, s.system_id
