-- Hits of ReAlign minus those of a baseline, on the same statistics if the baseline has any, by task.
-- Needs: support queries
select own.repetition, own.task_id as "case", own.family, own.hits - other.hits as top, own.n_queries as bottom,
       own.limited as left_out
from family_hits own
join family_hits other using (repetition, model, study, task_id, family)
where study = 'main' and own.adaptation = 'realign' and own.variant = $variant and own.fit_on = $fit_on
      and other.adaptation = $baseline and coalesce(other.fit_on, own.fit_on) = own.fit_on
      and model = (select model from latest.models where place = 0)
order by all
