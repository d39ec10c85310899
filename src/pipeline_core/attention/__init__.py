"""Where a generative model attends: attention mass by role of token, and maps of it over the picture."""
