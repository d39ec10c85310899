"""Retrieval Lens: why a multimodal model retrieves badly, measured. The library; it knows nothing of Prefect."""
