"""The stage ``activations``: the one hooked pass of a model over the data set."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline_core.activations.settings import TRAINING, ActivationsSettings, RepresentationSettings
from pipeline_core.errors import ConfigError
from pipeline_core.models.settings import ModelSettings
from pipeline_core.stage import Input, Load, ModelStage, ModelSubject, Partitioned, Work

if TYPE_CHECKING:
    from pipeline_core.activations.plan import Shard


class Activations(Partitioned[ModelSubject, "Shard"], ModelStage):
    """Runs the model once over every sample; a shard is a partition."""

    name = "activations"
    about = "Runs a model once over every sample: pooled embeddings, and token states where the model has some."
    version = 5
    settings = ActivationsSettings
    shared = ("representation",)
    inputs = (Input("dataset", of_analysis=True),)
    runs_model = True

    def check(self, subject: ModelSubject) -> None:
        """See that what is analysed is embedded."""
        if not subject.data and subject.settings(ActivationsSettings).store == TRAINING:
            raise ConfigError(
                f"activations.store is {TRAINING}, which keeps nothing to analyse",
                "set activations.store to all or analysed",
            )

    def unkeyed(self, subject: ModelSubject) -> frozenset[str]:
        """Return the choice of a representation, unless it alone is kept."""
        return (
            frozenset() if subject.settings(ActivationsSettings).store == "analysed" else frozenset({"representation"})
        )

    def source(self, subject: ModelSubject) -> str:
        """Return what the model is known by."""
        return subject.model.identity

    def limits(self, work: Work[ModelSubject]) -> Mapping[str, float]:
        """Return the share of samples that a model may refuse."""
        return {"max_refused_share": work.settings(ActivationsSettings).max_refused_share}

    def volume(self, subject: ModelSubject, load: Load) -> float:
        """Return what embeddings of every representation take, and token states as if none were alike."""
        from pipeline_core.models.representations import count_representations
        from pipeline_core.schema.parquet import ROW_GROUP, stored_halves

        settings = subject.settings(ActivationsSettings)
        n = count_representations(load.n_layers, settings.layer) if settings.store == "all" else 1
        shard = min(subject.placement.shard_size, load.requests)
        states = load.kept * load.tokens
        in_shard = min(ROW_GROUP, round(states * shard / max(load.requests, 1)))
        size = 2 if settings.precision == "float16" else 4
        return size * n * load.requests * load.width + stored_halves(states * load.width, in_shard * load.width)

    def partitions(self, work: Work[ModelSubject]) -> "Sequence[Shard]":
        """Return the shards: a pure function of data set and placement."""
        from pipeline_core.activations.extract import plan_shards

        placement = work.subject.placement
        prompts = work.subject.model.prompts
        return plan_shards(
            work.input("dataset"),
            prompts,
            batch_size=placement.batch_size,
            shard_size=placement.shard_size,
            training_alone=work.settings(ActivationsSettings).store == TRAINING,
        )

    def size(self, partition: "Shard") -> int:
        """Return the number of embeddings requested of a shard."""
        return len(partition.requests)

    def is_built(self, work: Work[ModelSubject], partition: "Shard") -> bool:
        """Say whether the files of a shard are there and whole."""
        from pipeline_core.activations.shards import is_written

        return is_written(work.folder, partition)

    def builder(self, work: Work[ModelSubject]) -> "Callable[[Shard, Callable[[int], None]], None]":
        """Load the model; what is returned writes one shard."""
        from functools import partial

        from pipeline_core.activations.extract import build_shard
        from pipeline_core.activations.processes import load_with_processes
        from pipeline_core.activations.refusals import Refusal, check_share
        from pipeline_core.models.embedder import TokenEmbedder
        from pipeline_core.models.loading import load_embedder, load_processor

        placement = work.subject.placement
        model = work.settings(ModelSettings), work.subject.model
        embedder, processes = load_with_processes(
            partial(load_embedder, *model, placement.device, work.cache, placement.device_map),
            partial(load_processor, *model, work.cache),
            placement,
        )
        if isinstance(embedder, TokenEmbedder):
            embedder.most_tokens = placement.batch_tokens
        refusals: list[Refusal] = []

        def build(shard: "Shard", advance: Callable[[int], None]) -> None:
            settings = work.settings(ActivationsSettings)
            analysed = work.settings(RepresentationSettings)
            given = work.input("dataset"), settings, shard, work.folder, advance, analysed, processes
            refusals.extend(build_shard(embedder, *given))
            check_share(work.subject.model.name, refusals, shard.planned, settings.max_refused_share)

        return build

    def seal(self, work: Work[ModelSubject], partitions: "Sequence[Shard]") -> None:
        """See that all shards are there, and that enough of the data set was embedded."""
        from pipeline_core.activations.refusals import check_refusals
        from pipeline_core.activations.shards import seal_shards

        seal_shards(work.folder, partitions)
        planned = sum(len(shard.requests) for shard in partitions)
        allowed = work.settings(ActivationsSettings).max_refused_share
        check_refusals(work.folder, work.input("dataset"), planned, allowed)


STAGE = Activations()
