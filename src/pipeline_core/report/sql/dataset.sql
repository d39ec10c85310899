-- What was embedded, and what was left out.
select (select count(*) from samples where modality = 'image') as n_images,
       (select count(*) from samples where modality = 'text') as n_texts,
       (select count(*) from samples where modality = 'image_text') as n_image_texts,
       (select count(*) from tasks where control = 'none') as n_tasks,
       (select count(*) from quarantine) as n_quarantined
