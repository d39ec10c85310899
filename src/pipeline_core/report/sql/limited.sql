-- Whether every task of the model studied is at its limit, so that none decides a claim about gains.
select count(*) > 0 and count(*) = count(limited) as all_limited
from task_limits
where model = (select model from latest.models where place = 0)
