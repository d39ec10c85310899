-- Share of all features that hold 99% of the energy.
-- Needs: generative
select repetition, sae_id as "case", min(feature_share) as value
from seeds.energy_curve
where energy_share >= 0.99
      and sae_id = (select model || '/paper' from latest.models where place = 0 and kind = 'generative')
group by all
order by sae_id, repetition
