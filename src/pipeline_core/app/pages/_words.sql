-- In how many of some texts, told as a list in JSON, each word stands that is in more than one.
select word, count(*) as n_with
from (
    select unnest(list_distinct(regexp_extract_all(lower(text), '[\p{L}\p{N}]{2,}'))) as word
    from (select unnest($texts::json::varchar[]) as text)
)
group by word
having n_with > 1
order by word
