"""The stage ``sae``: a sparse autoencoder, trained on stored states or brought from elsewhere."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from pipeline_core.sae.settings import DEFAULT_SAES, BroughtSae, Saes, SaeSettings
from pipeline_core.stage import BuiltTogether, Input, Load, SaeStage, SaeSubject, Work


class Sae(BuiltTogether[SaeSubject], SaeStage):
    """Trains or brings one autoencoder: one element of the config's list; those of one stream are trained together."""

    name = "sae"
    about = "Trains a sparse autoencoder on stored states, or brings one that was trained elsewhere."
    version = 8
    settings = Saes
    inputs = (Input("dataset", of_analysis=True, own_data=True), Input("activations", own_data=True))
    repetitions = "own"
    trains = True

    def default(self) -> Any:
        """Return the paper's autoencoder and a centred one beside it."""
        return DEFAULT_SAES

    def source(self, subject: SaeSubject) -> str | None:
        """Return the digest of a checkpoint from elsewhere."""
        from pipeline_core.sae.identity import identity

        return identity(_settings(subject))

    def volume(self, subject: SaeSubject, load: Load) -> float | None:
        """Return what encoder and dictionary take; of one from elsewhere nothing is known."""
        settings = _settings(subject)
        return 4.0 * settings.features * (2 * load.width + 1) if isinstance(settings, SaeSettings) else None

    def products(self, subject: SaeSubject, load: Load) -> float | None:
        """Return two operations a state, feature and dimension in every epoch; none for one from elsewhere."""
        settings = _settings(subject)
        if not isinstance(settings, SaeSettings):
            return 0.0
        return 2.0 * load.kept * load.tokens * settings.epochs * settings.features * load.width

    def limits(self, work: Work[SaeSubject]) -> Mapping[str, int]:
        """Return how many epochs the log of one that is trained here has."""
        settings = _settings(work.subject)
        return {"epochs": settings.epochs} if isinstance(settings, SaeSettings) else {}

    def company(self, subject: SaeSubject) -> Hashable | None:
        """Return the stream that it is trained on; what is brought reads none."""
        from pipeline_core.sae.trainer import stream

        settings = _settings(subject)
        return stream(settings) if isinstance(settings, SaeSettings) else None

    def build_together(self, works: Sequence[Work[SaeSubject]]) -> Sequence[float]:
        """Write the autoencoders; an interrupted training goes on from its last checkpoint."""
        from pipeline_core.activations.plan import DatasetTables, training_order
        from pipeline_core.sae.bring import bring_sae
        from pipeline_core.sae.trainer import Training, train_saes

        work = works[0]
        activations, model, placement = work.input("activations"), work.subject.model, work.subject.placement
        settings = _settings(work.subject)
        if isinstance(settings, BroughtSae):
            bring_sae(settings, activations, model.name, work.folder, work.progress)
            return [0.0]
        trainings = [
            Training(settings, own.folder)
            for own in works
            if isinstance(settings := _settings(own.subject), SaeSettings)
        ]
        return train_saes(
            activations,
            trainings,
            model.name,
            placement.threads,
            placement.checkpoint_steps,
            work.progress,
            training_order(DatasetTables.read(work.input("dataset")), model.prompts),
            placement.training_device,
            placement.memory_bytes,
        )


def _settings(subject: SaeSubject) -> SaeSettings | BroughtSae:
    """Return the element of the config's list that the subject is about."""
    settings = subject.section(STAGE.name)
    assert isinstance(settings, SaeSettings | BroughtSae)
    return settings


STAGE = Sae()
