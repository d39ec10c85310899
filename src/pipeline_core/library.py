"""The library for notebooks and programs: what the runs of a store made, as arrays, frames and objects.

Nothing here needs Prefect. torch is loaded where an autoencoder encodes, a model where somebody searches.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import polars as pl
from pydantic import ValidationError

from pipeline_core.activations.analysed import analysed
from pipeline_core.activations.settings import ActivationsSettings, RepresentationSettings
from pipeline_core.activations.vectors import Matrix, VectorBlocks, load_embeddings
from pipeline_core.errors import ConfigError, DataError, QueryError, StoreError
from pipeline_core.grid.settings import GridSettings
from pipeline_core.models.settings import ModelSettings
from pipeline_core.placement import Placement
from pipeline_core.retrieval.adaptations import ADAPTATIONS, Scope, adaptation_settings
from pipeline_core.retrieval.maps import Map, load_maps, unit
from pipeline_core.retrieval.matched import Matched
from pipeline_core.retrieval.spectrum import Spectrum, spectrum
from pipeline_core.schema import TABLES
from pipeline_core.schema.parquet import read_table
from pipeline_core.settings import Section, explained
from pipeline_core.store.artifacts import Store
from pipeline_core.store.journal import LATEST, RunRecord, find_run
from pipeline_core.store.manifest import Artifact
from pipeline_core.user_cache import user_cache

if TYPE_CHECKING:
    import duckdb
    from scipy import sparse

    from pipeline_core.index.searcher import Searcher
    from pipeline_core.sae.architectures import Sae

Kind = TypeVar("Kind", bound=Section)


def open_store(path: str | Path = "store") -> "OpenStore":
    """Open a store that runs have filled.

    Raises:
        StoreError: there is no such folder.
    """
    root = Path(path).expanduser().resolve()
    if not root.is_dir():
        raise StoreError(f"there is no store {path}", "give the folder that lens run --store wrote to")
    return OpenStore(root)


@dataclass(frozen=True)
class OpenStore:
    """A store: its runs, and the warehouse over them."""

    root: Path

    def run(self, name: str = LATEST) -> "Run":
        """Return a run by its id or a beginning of it, the latest that completed, or ``latest~1``, the one before.

        Raises:
            StoreError: there is no such run.
        """
        return Run(self, find_run(self.root, name)[1])

    def warehouse(self) -> "duckdb.DuckDBPyConnection":
        """Return a connection that reads every table and view of ``lens sql --schema``.

        Raises:
            QueryError: the store has no warehouse yet.
        """
        from pipeline_core.warehouse.query import open_warehouse  # noqa: PLC0415 - duckdb

        return open_warehouse(self.root)


@dataclass(frozen=True)
class Run:
    """A run: names of models and autoencoders, and what was made of them.

    Wherever a model or an autoencoder may be named, the first of the run, the one studied, is meant otherwise.
    """

    store: OpenStore
    record: RunRecord

    @property
    def models(self) -> tuple[str, ...]:
        """The run's models, the one studied first."""
        return self.record.named("activations/")

    @property
    def saes(self) -> tuple[str, ...]:
        """Its sparse autoencoders, <model>/<name>."""
        return self.record.named("sae/")

    def warehouse(self) -> "duckdb.DuckDBPyConnection":
        """Return a connection that reads every table, whose scopes and views show this run, which has to be complete.

        Raises:
            QueryError: the store has no warehouse yet, or it does not show the run.
        """
        from pipeline_core.warehouse.query import open_warehouse  # noqa: PLC0415 - duckdb

        return open_warehouse(self.store.root, self.record.run_id)

    def artifact(self, step: str) -> Path:
        """Return the folder of what a step made, e.g. ``retrieval/<model>``.

        Raises:
            StoreError: the run had no such step, or its artifact is missing or damaged.
        """
        return self._published(step).folder

    def _published(self, step: str, *, read: bool = False) -> Artifact:
        for used in self.record.artifacts:
            if used.name == step:
                return Store(self.store.root).find(used.stage, used.fingerprint, read=read)
        known = ", ".join(used.name for used in self.record.artifacts)
        raise StoreError(f"the run {self.record.run_id} had no step {step!r}", f"it had {known}")

    def table(self, step: str, name: str) -> pl.DataFrame:
        """Return a table that a step wrote; columns are those of docs/tables.md.

        Raises:
            StoreError: there is no such step or table.
        """
        if name not in TABLES:
            raise StoreError(f"there is no table {name!r}", "see docs/tables.md, or lens sql --schema")
        return read_table(self.artifact(step), name)

    def embeddings(self, model: str | None = None, rep_id: str | None = None) -> VectorBlocks:
        """Return a model's embeddings; ``labels`` names the rows, ``take`` and ``blocks`` give vectors [n, d] float32.

        Args:
            model: one of ``models``.
            rep_id: a representation of the table ``representations``; by default the one that was analysed.

        Raises:
            StoreError: the run had no such model, or no such representation.
        """
        chosen = model or self.models[0]
        activations = self.artifact(f"activations/{chosen}")
        # What the run's config leaves to the model is told in the manifests; models without tokens have no choice.
        kept = {} if rep_id else self._published(f"index/{chosen}").manifest.config.get("representation", {})
        return load_embeddings(activations, rep_id or analysed(activations, RepresentationSettings(**kept)))

    def features(self, sae_id: str | None = None) -> pl.DataFrame:
        """Return the statistics of an autoencoder's features, the table ``features``.

        Raises:
            StoreError: the run had no such autoencoder.
        """
        return self.table(f"features/{self._sae_id(sae_id)}", "features")

    def sae(self, sae_id: str | None = None) -> "Sae":
        """Return an autoencoder: ``dictionary`` [S, d], ``encode`` and ``decode`` for torch tensors.

        Raises:
            StoreError: the run had no such autoencoder.
            ModelError: its files cannot be read.
        """
        from pipeline_core.sae.artifact import read_sae  # noqa: PLC0415 - torch

        return read_sae(self.artifact(f"sae/{self._sae_id(sae_id)}"))

    def export_sae(self, path: Path | str, form: str, sae_id: str | None = None) -> None:
        """Write an autoencoder for another package: ``run.export_sae("layer_30", "sparsify")``.

        Args:
            path: the file or folder to write.
            form: a checkpoint format that is written, and what it is for.
            sae_id: one of ``saes``.

        Raises:
            StoreError: the run had no such autoencoder, or its bytes are not those published.
            ConfigError: there is no such format.
            ModelError: the format is only read, or cannot hold an autoencoder of this kind.
        """
        from pipeline_core.sae.artifact import read_provenance, read_sae  # noqa: PLC0415 - torch
        from pipeline_core.sae.formats import FORMATS  # noqa: PLC0415

        folder = self._published(f"sae/{self._sae_id(sae_id)}", read=True).folder
        FORMATS.find(form, "form").write(Path(path), read_sae(folder), read_provenance(folder))

    def codes(self, vectors: Matrix, sae_id: str | None = None) -> "sparse.csr_matrix":
        """Return the codes [n, S] of vectors [n, d], which may be new, rounded as stored codes are, float32.

        Raises:
            StoreError: the run had no such autoencoder.
            DataError: the vectors are no matrix of finite numbers.
            ModelError: they are of another width, or a code is beyond float16.
        """
        from pipeline_core.codes.encode import encode_vectors  # noqa: PLC0415 - torch

        name = self._sae_id(sae_id)
        return encode_vectors(self.sae(name), _matrix(vectors, "vectors"), name)

    def adaptation(self, task_id: str, system: str, model: str | None = None) -> tuple[Map, Map]:
        """Return a fitted adaptation, its queries' and its candidates' map; ``map.apply(vectors)`` gives unit vectors.

        Args:
            task_id: a task of the table ``tasks``.
            system: last part of a system_id of the analysis, e.g. ``realign``; fitted for the test split.
            model: one of ``models``.

        Raises:
            StoreError: nothing of the kind was fitted.
        """
        folder = self.artifact(f"retrieval/{model or self.models[0]}") / "adaptations"
        path = folder / f"{task_id}.safetensors"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in folder.glob("*.safetensors")))
            raise StoreError(f"nothing was fitted for a task {task_id!r}", f"tasks: {known}")
        maps = load_maps(path)
        try:
            return maps[f"{system}/queries"], maps[f"{system}/candidates"]
        except KeyError:
            known = ", ".join(dict.fromkeys(name.rpartition("/")[0] for name in maps))
            raise StoreError(f"no system {system!r} was fitted for the task {task_id}", f"systems: {known}") from None

    def searcher(self, model: str | None = None, device: str | None = None) -> "Searcher":
        """Load a model, once, and return what searches its index: ``searcher.search(Question("a red heart"))``.

        Args:
            model: one of ``models``.
            device: where it runs; by default where the run was to.

        Raises:
            QueryError: the run had no such model, or the model has changed since.
            StoreError: an artifact that it used is missing or damaged.
            ConfigError: this machine has no such device, or the run is of an older version, whose config differs.
            ModelError: the model cannot be loaded.
        """
        from pipeline_core.activations.plan import DatasetTables  # noqa: PLC0415
        from pipeline_core.index.searcher import Searcher  # noqa: PLC0415 - lancedb
        from pipeline_core.models.facts import describe_model  # noqa: PLC0415
        from pipeline_core.models.loading import load_embedder  # noqa: PLC0415

        name, given = model or self.models[0], self.record.config
        asked = [self._section(ModelSettings, one) for one in (given.get("model"), *given.get("compare_with", ()))]
        chosen = next((one for one in asked if one.label == name), None)
        if chosen is None or name not in self.models:
            raise QueryError(f"the run had no model {name!r}", f"it had {', '.join(self.models)}")
        activations, dataset, index = (
            self._published(step) for step in (f"activations/{name}", "dataset", f"index/{name}")
        )
        facts = describe_model(chosen)
        if facts.identity != activations.manifest.source:
            raise QueryError(f"the model {name} has changed since the index was built", "run lens run again")
        place = self._section(Placement, {"device": device} if device else given.get("placement"))
        return Searcher(
            load_embedder(chosen, facts, place.device, user_cache("models"), place.device_map),
            DatasetTables.read(dataset.folder),
            index.folder,
            self._section(ActivationsSettings, given.get("activations")),
            self._section(RepresentationSettings, given.get("representation")),
        )

    def _section(self, kind: type[Kind], values: Any) -> Kind:
        try:
            return kind.model_validate(values)
        except ValidationError as error:
            field, message, first = explained(error)
            told = f"has {first['input']!r} for {field or kind.__name__}: {message}"
            raise ConfigError(
                f"the config of the run {self.record.run_id} {told}",
                "run lens run again, which writes the config of this version",
            ) from None

    def _sae_id(self, sae_id: str | None) -> str:
        if sae_id is None and not self.saes:
            raise StoreError(f"the run {self.record.run_id} had no autoencoder", "run with at least one in sae")
        return sae_id or self.saes[0]


def fit_adaptation(
    name: str, queries: Matrix, candidates: Matrix, settings: Mapping[str, Any] | None = None
) -> tuple[Map, Map]:
    """Fit an adaptation on vectors of your own, in no store.

    Args:
        name: an adaptation of the table ``adaptations`` that is fitted on vectors alone.
        queries: [q, d], what the queries' side is fitted on.
        candidates: [n, d], what the candidates' side is fitted on.
        settings: its section of the config below ``adaptations``, e.g. ``{"beta": 0.3}``; defaults otherwise.

    Returns:
        the queries' and the candidates' map; ``map.apply(vectors)`` gives unit vectors: inner products are cosines.

    Raises:
        QueryError: there is no such adaptation, or it needs more than vectors.
        ConfigError: a setting is unknown or out of range.
        DataError: the sides are no matrices of finite numbers and of one width, or have too few vectors to fit on.
    """
    queries, candidates = _matrix(queries, "queries"), _matrix(candidates, "candidates")
    if queries.shape[1] != candidates.shape[1]:
        widths = f"{queries.shape[1]} and {candidates.shape[1]}"
        raise DataError(f"queries and candidates have the widths {widths}", "embed both with one model")
    if name not in ADAPTATIONS:
        raise QueryError(f"there is no adaptation {name!r}", f"known: {', '.join(ADAPTATIONS)}")
    given = {name: dict(settings)} if settings else {}
    try:
        scope = Scope(queries.shape[1], adaptation_settings().model_validate(given))
    except ValidationError as error:
        place, message, first = explained(error)
        raise ConfigError(f"adaptations.{place} cannot be {first['input']!r}", message) from None
    member = ADAPTATIONS[name]
    systems = (*member.of_analysis(scope), *member.of_grid(scope, GridSettings()))
    own = next(
        (system for system in systems if system.control == "none" and system.fit_on not in (None, "train")), None
    )
    if own is None:
        raise QueryError(f"{name} is not fitted on vectors alone", "take one that lens run fitted: Run.adaptation")
    return member.fit(own, _Given(queries, candidates))


def _matrix(vectors: Any, name: str) -> Matrix:
    """Return vectors [n, d] as float32, refusing in one line what is none."""
    try:
        found = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError):
        raise DataError(f"the {name} are no numbers, or rows of unequal width", "give an array [n, d]") from None
    if found.ndim != 2 or not found.size:
        raise DataError(f"the {name} have the shape {found.shape}", "give an array [n, d], a row a vector")
    if not np.isfinite(found).all():
        raise DataError(f"the {name} hold values that are not finite", "leave those rows out")
    return found


@dataclass(frozen=True)
class _Given:
    """Statistics of vectors that are given."""

    queries: Matrix
    candidates: Matrix

    def sides(self, unit_input: bool = False) -> tuple[Spectrum, Spectrum]:
        queries, candidates = (unit(side) if unit_input else side for side in (self.queries, self.candidates))
        return spectrum(queries), spectrum(candidates)

    def together(self) -> Spectrum:
        return spectrum(np.concatenate([self.queries, self.candidates]))

    def matched(self) -> Matched:
        raise AssertionError("what learns from pairs is refused")
