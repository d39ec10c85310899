"""The LanceDB index of embeddings."""
