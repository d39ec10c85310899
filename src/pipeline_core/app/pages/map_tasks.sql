-- The tasks by which a map may be coloured.
select task_id, task_type from latest.tasks where control = 'none' order by task_id
