"""The grid: every layer, pooling, mask and adaptation over stored embeddings."""
