select prompt_id, text from prompts
