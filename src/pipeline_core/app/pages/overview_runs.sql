-- Completed runs, the latest first: one a set of artifacts and config, as a run that found everything measured nothing new.
with made as (
    select r.run_id, r.flow, r.started, r.seconds, r.config, string_agg(a.artifact, ' ' order by a.name) as artifacts
    from runs r left join run_artifacts a using (run_id)
    where r.state = 'completed'
    group by all
)
select run_id, flow, strftime(started, '%Y-%m-%d %H:%M') as started, seconds, config
from made
qualify row_number() over (partition by artifacts order by started desc, run_id desc) = 1
order by started desc, run_id desc
