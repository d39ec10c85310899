-- Expectations of the data contracts by table, but for the report's own tables, which are made after this question.
select table_name, count(*) as n_expectations, count(*) filter (success) as n_held,
       string_agg(expectation || ' (' || column_name || ')', ', ') filter (not success) as failed
from latest.contract_results
where table_name not in ('models', 'claims', 'claim_parts', 'claim_cases')
group by table_name
order by n_held < n_expectations desc, table_name
