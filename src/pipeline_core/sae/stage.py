"""The stage ``sae``: a sparse autoencoder, trained on stored states or brought from elsewhere."""

from collections.abc import Mapping
from typing import Any

from pipeline_core.sae.settings import DEFAULT_SAES, BroughtSae, Saes, SaeSettings
from pipeline_core.stage import Input, Load, SaeStage, SaeSubject, Work


class Sae(SaeStage):
    """Trains or brings one autoencoder: one element of the config's list."""

    name = "sae"
    about = "Trains a sparse autoencoder on stored states, or brings one that was trained elsewhere."
    version = 2
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

    def build(self, work: Work[SaeSubject]) -> None:
        """Write the autoencoder; an interrupted training goes on from its last checkpoint."""
        from pipeline_core.activations.plan import DatasetTables, training_order
        from pipeline_core.sae.bring import bring_sae
        from pipeline_core.sae.trainer import train_sae

        activations, model, placement = work.input("activations"), work.subject.model.name, work.subject.placement
        settings = _settings(work.subject)
        if isinstance(settings, BroughtSae):
            bring_sae(settings, activations, model, work.folder, work.progress)
        else:
            threads, steps = placement.threads, placement.checkpoint_steps
            order = training_order(DatasetTables.read(work.input("dataset")), work.subject.model.prompts)
            device = placement.training_device
            train_sae(activations, settings, model, work.folder, threads, steps, work.progress, order, device)


def _settings(subject: SaeSubject) -> SaeSettings | BroughtSae:
    """Return the element of the config's list that the subject is about."""
    settings = subject.section(STAGE.name)
    assert isinstance(settings, SaeSettings | BroughtSae)
    return settings


STAGE = Sae()
