-- How few features hold 99% of an autoencoder's energy, and whom they serve: below 1/3 pictures, above 2/3 texts.
with seats as (
    select sae_id, sum(energy order by feature_id) filter (modality < 1 / 3) / sum(energy order by feature_id) as of_pictures,
           sum(energy order by feature_id) filter (modality > 2 / 3) / sum(energy order by feature_id) as of_texts
    from latest.features
    group by sae_id
)
select e.sae_id, e.n_features, e.n_live, e.n_holding, e.n_always_on, e.always_on_energy,
       e.n_holding / e.n_features as holding_share, coalesce(s.of_pictures, 0) as of_pictures,
       coalesce(s.of_texts, 0) as of_texts
from latest.energy_concentration e
join seats s using (sae_id)
order by e.sae_id
