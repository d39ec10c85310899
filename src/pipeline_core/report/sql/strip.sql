-- Mean hit rate over the tasks of the model studied, raw and with each fix that needs no labels, and of the other models
-- raw: only of systems that were scored on every task. Without queries seen beforehand, hence none that is transductive,
-- and without pairs: features chosen by their attribution need them, and so does what is trained.
select place, models.model, system_id, label, adaptation = 'identity' as raw, avg(hit_rate) as hit_rate,
       count(*) as n_tasks
from recall
join latest.models using (model)
where selection is null and named and coalesce(fit_on, '') not in ('test_queries', 'train') and (place = 0 or adaptation = 'identity')
group by all
having count(*) = (select count(*) from latest.tasks where control = 'none')
order by place, raw desc, avg(hit_rate) desc, system_id
