select tasks.task_id, query_id, part || query_id as sample_id, split, coalesce(prompt_id, query_prompt_id) as prompt_id
from asked join tasks on coalesce(control_of, tasks.task_id) = asked.task_id left join prompts on prompts.text = asked.prompt
