-- The layers of a model's representations; a dual encoder, which has no tokens to look at, has -1.
select distinct layer from latest.representations where model = $model order by layer
