"""The stage ``codes``: sparse codes of a model's embeddings."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline_core.activations.settings import RepresentationSettings
from pipeline_core.stage import Input, Load, Partitioned, SaeStage, SaeSubject, Work

if TYPE_CHECKING:
    from pipeline_core.codes.encode import CodedShard


class Codes(Partitioned[SaeSubject, "CodedShard"], SaeStage):
    """Encodes the analysed representation; a shard of the extraction is a partition."""

    name = "codes"
    about = "Encodes embeddings sparsely, and measures how well they are reconstructed."
    version = 7
    shared = ("representation",)
    # Codes tell samples' modalities, which no repetition changes; their statistics depend on the splits.
    inputs = (Input("sae"), Input("activations"), Input("dataset", of_analysis=True))
    repetitions = "own"

    def volume(self, subject: SaeSubject, load: Load) -> float | None:
        """Return what the active features of every embedding take: numbers and values, compressed to 3 bytes each."""
        return None if load.active is None else 3.0 * load.active * load.requests

    def limits(self, work: Work[SaeSubject]) -> Mapping[str, int]:
        """Return how sparse codes are at most, and how wide the dictionary is."""
        from pipeline_core.sae.artifact import code_limits

        return code_limits(work.input("sae"))

    def partitions(self, work: Work[SaeSubject]) -> "Sequence[CodedShard]":
        """Return the shards of the extraction."""
        from pipeline_core.codes.encode import coded_shards

        return coded_shards(work.input("activations"))

    def size(self, partition: "CodedShard") -> int:
        """Return the number of embeddings in a shard."""
        return partition.n_vectors

    def is_built(self, work: Work[SaeSubject], partition: "CodedShard") -> bool:
        """Say whether the codes of a shard are there."""
        return partition.is_written(work.folder)

    def builder(self, work: Work[SaeSubject]) -> "Callable[[CodedShard, Callable[[int], None]], None]":
        """Load the autoencoder; what is returned writes the codes of one shard."""
        from pipeline_core.codes.encode import shard_encoder

        encode = shard_encoder(work.input("sae"), work.input("activations"), work.input("dataset"), _rep_id(work))

        def build(shard: "CodedShard", advance: Callable[[int], None]) -> None:
            encode(shard, work.folder)
            advance(shard.n_vectors)

        return build

    def seal(self, work: Work[SaeSubject], partitions: "Sequence[CodedShard]") -> None:
        """Write the reconstruction."""
        from pipeline_core.codes.encode import seal_codes

        seal_codes(work.input("sae"), _rep_id(work), partitions, work.folder)


def _rep_id(work: Work[SaeSubject]) -> str:
    from pipeline_core.activations.analysed import analysed

    return analysed(work.input("activations"), work.settings(RepresentationSettings))


STAGE = Codes()
