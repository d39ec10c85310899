-- The verdict of a run on each claim of the paper.
with used as (select artifact from run_artifacts where run_id = $run and repetition = 0 and data = '')
select claim, statement, paper, verdict, reason from claims semi join used using (artifact) order by claim
