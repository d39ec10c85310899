-- Share of the attention of each head in each layer that goes to tokens of one role: mean over the samples of one modality.
select m.layer, m.head, avg(m.mass) as mass
from latest.attention_mass m
join latest.samples s using (sample_id)
where m.model = $model and m.source = $source and s.modality = $modality and m.role = $role
group by m.layer, m.head
order by m.layer, m.head
