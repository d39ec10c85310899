-- What each model did not see of the data set: ends of texts that it cut, samples that it refused.
with cut as (
    select model, count(distinct sample_id) as n_cut, max(n_kept) as cut_at
    from latest.long_texts where n_tokens > n_kept group by model
), refusals as (
    select model, count(distinct sample_id) as n_refused, arg_min(reason, (sample_id, prompt_id)) as reason
    from latest.refused group by model
)
select model, n_cut, cut_at, (select count(*) from latest.samples where text is not null) as n_texts,
       n_refused, (select count(*) from latest.samples) as n_samples, reason
from latest.models left join cut using (model) left join refusals using (model)
where n_cut is not null or n_refused is not null
order by place
