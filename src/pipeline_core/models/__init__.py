"""Models: one adapter a family, prompts, pooling, hooks."""
