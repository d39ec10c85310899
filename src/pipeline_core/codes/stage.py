"""The stage ``codes``: sparse codes of a model's embeddings."""

from collections.abc import Mapping

from pipeline_core.activations.settings import RepresentationSettings
from pipeline_core.stage import Input, Load, SaeStage, SaeSubject, Work


class Codes(SaeStage):
    """Encodes the analysed representation."""

    name = "codes"
    about = "Encodes embeddings sparsely, and measures how well they are reconstructed."
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

    def build(self, work: Work[SaeSubject]) -> None:
        """Write codes and reconstruction."""
        from pipeline_core.activations.analysed import analysed
        from pipeline_core.activations.spilled import Room
        from pipeline_core.codes.encode import encode_embeddings

        activations = work.input("activations")
        rep_id = analysed(activations, work.settings(RepresentationSettings))
        room = Room(work.subject.placement.memory_bytes, work.folder)
        encode_embeddings(work.input("sae"), activations, work.input("dataset"), rep_id, work.folder, room)


STAGE = Codes()
