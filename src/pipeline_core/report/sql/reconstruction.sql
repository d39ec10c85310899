-- How well each SAE reconstructs tokens (end of training) and embeddings.
select r.sae_id, r.modality, r.n_vectors, r.fvu, r.cosine, r.l0, t.fvu as training_fvu, t.dead_share,
       d.trained_on, d.left_out, d.held_out_fvu
from latest.reconstruction r
left join (
    select sae_id, fvu, dead_share from latest.sae_training
    qualify row_number() over (partition by sae_id order by step desc) = 1
) t using (sae_id)
left join latest.sae_data d using (sae_id)
order by r.sae_id, r.modality = 'all' desc, r.modality
