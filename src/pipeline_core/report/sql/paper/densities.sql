-- Share of the live features and of their energy that serves pictures (modality below 1/3), both, and texts (2/3 and more):
-- mean over the repetitions and the range that they span.
with thirds as (
    select sae_id, repetition, energy,
           case when modality < 1 / 3 then 'pictures' when modality >= 2 / 3 then 'texts' else 'both' end as served
    from seeds.features
    where modality is not null
),
counted as (
    select sae_id, repetition, served, count(*) as n, sum(energy) as energy
    from thirds
    group by all
),
seats as (
    select sae_id, repetition, unnest(['pictures', 'both', 'texts']) as served
    from seeds.features
    group by sae_id, repetition
),
shares as (
    select seats.sae_id, seats.repetition, seats.served,
           coalesce(c.n, 0) / sum(c.n) over own as by_count, coalesce(c.energy, 0) / sum(c.energy) over own as by_energy
    from seats
    left join counted c using (sae_id, repetition, served)
    window own as (partition by seats.sae_id, seats.repetition)
)
select sae_id, served, avg(by_count) as count_value, min(by_count) as count_low, max(by_count) as count_high,
       avg(by_energy) as energy_value, min(by_energy) as energy_low, max(by_energy) as energy_high,
       count(*)::integer as n_repetitions
from shares
group by sae_id, served
order by sae_id, list_position(['pictures', 'both', 'texts'], served)
