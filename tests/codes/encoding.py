"""The parts of the codes stage, one after the other, as a stage without a plan has them built."""

from pathlib import Path

from pipeline_core.codes.encode import coded_shards, seal_codes, shard_encoder


def encode_embeddings(sae: Path, activations: Path, dataset: Path, rep_id: str, folder: Path) -> None:
    """Encode every shard, the last first, and write the tables codes and reconstruction."""
    encode, shards = shard_encoder(sae, activations, dataset, rep_id), coded_shards(activations)
    for shard in reversed(shards):
        assert not shard.is_written(folder)
        encode(shard, folder)
        assert shard.is_written(folder)
    seal_codes(sae, rep_id, shards, folder)
