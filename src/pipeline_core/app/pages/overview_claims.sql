-- The verdict of a run on each claim of the paper.
select claim, statement, paper, verdict, reason from latest.claims order by claim
