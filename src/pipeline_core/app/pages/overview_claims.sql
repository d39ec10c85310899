-- The verdict of a run on each claim of the paper; n_verdict is how many claims have the same.
select claim, statement, paper, verdict, reason, count(*) over (partition by verdict) as n_verdict
from latest.claims
order by claim
