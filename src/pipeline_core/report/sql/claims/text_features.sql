-- Share of the live features that serve texts (modality of 2/3 and more).
-- Needs: generative
select repetition, sae_id as "case", avg((modality >= 2 / 3)::int) as value
from seeds.features
where modality is not null
      and sae_id = (select model || '/paper' from latest.models where place = 0 and kind = 'generative')
group by all
order by sae_id, repetition
