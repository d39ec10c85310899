-- Share of the energy in features that serve texts (modality of 2/3 and more).
-- Needs: generative
select repetition, sae_id as "case", coalesce(sum(energy) filter (modality >= 2 / 3), 0) / sum(energy) as value
from seeds.features
where sae_id = (select model || '/paper' from latest.models where place = 0 and kind = 'generative')
group by all
having sum(energy) > 0
order by sae_id, repetition
