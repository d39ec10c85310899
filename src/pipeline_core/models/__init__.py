"""Models: what is known of them, their families, and what embeds: prompts, hooks, pooling."""
