-- What was embedded, and what was left out.
select (select count(*) from latest.samples where modality = 'image') as n_images,
       (select count(*) from latest.samples where modality = 'text') as n_texts,
       (select count(*) from latest.samples where modality = 'image_text') as n_image_texts,
       (select count(*) from latest.tasks where control = 'none') as n_tasks,
       (select count(*) from latest.tasks where control = 'none'
        and task_id not in (select task_id from latest.queries where split = 'support')) as n_unsupported,
       (select count(*) from latest.samples where split in ('train', 'support')) as n_learnt,
       (select count(*) from latest.quarantine) as n_quarantined
