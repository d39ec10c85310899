"""What a plan will take: bytes, time and memory, from builds of the same kind in the store, else from rates.

Rates are those that ``lens bench`` measured here and kept, and for what it does not measure, or has not, shipped ones.

Nothing is loaded: rows are counted in the data set's tables, a model's size is that of its files, and how fast this
machine is tells a matrix product of a moment.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline_core.activations.plan import DatasetTables, needed_requests
from pipeline_core.activations.vectors import PLAIN_PROMPT
from pipeline_core.dataset.pools import searched
from pipeline_core.errors import LensError
from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.families import FAMILIES
from pipeline_core.models.representations import count_representations
from pipeline_core.models.size import ModelSize
from pipeline_core.planner.plan import Plan, Step
from pipeline_core.planner.rates import Rates
from pipeline_core.program_yaml import read_program_yaml
from pipeline_core.stage import Load, ModelSubject, SaeSubject
from pipeline_core.store.artifacts import Store
from pipeline_core.store.manifest import Manifest

THOUSAND = 1000
"""Samples that estimates are for where the data set is not built."""

MEASURED, REFERENCE = "bench", "reference"
"""Rates that a time comes from: measured here and kept, or shipped."""

_RATES = Path(__file__).parent / "reference_rates.yaml"
_LIBRARIES = 700 << 20
"""Bytes of a process with Python, torch and transformers and nothing else in it, measured."""

_REMEMBERED = 256 << 20  # of pictures, see models/pictures.py
_CHARACTERS, _TEMPLATE = 4, 30  # characters a token, and tokens of a prompt around the words: what chat models have
_BYTES = {"float32": 4}  # of a number; half precision: 2
_PROBE = 1024


@dataclass(frozen=True)
class Counts:
    """Rows of a data set, and what a model makes of it; see ``Load``."""

    samples: int
    queries: int
    candidates: int
    requests: int
    kept: int
    items: int
    characters: float
    """Of words and instruction, a request."""
    pictured: float
    """Share of requests with a picture."""


@dataclass(frozen=True)
class Memory:
    """Bytes that extraction takes at its peak: libraries, weights, and what a batch and a shard hold."""

    libraries: float
    weights: float
    work: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.libraries + self.weights + self.work


@dataclass(frozen=True)
class StepEstimate:
    """What a step that the store lacks will take; None where nothing tells.

    Attributes:
        step: its name.
        n_bytes: of its artifact.
        seconds: that building it takes.
        built: when the build ended that the time was estimated from; None: rates.
        rate: which rates those are.
    """

    step: str
    n_bytes: float | None
    seconds: float | None
    built: str | None
    rate: str = REFERENCE


@dataclass(frozen=True)
class Estimates:
    """What a plan will take.

    Attributes:
        counts: rows, by whether models follow instructions; none where the data set is not built: all else is then for
            a thousand samples.
        steps: every step that the store lacks.
        memory: of each model whose size is known, by its name.
        flops: what a matrix product reaches here; None where reference rates were not needed.
        machine: where those were measured.
        kept: what was measured here.
    """

    counts: Mapping[bool, Counts]
    steps: tuple[StepEstimate, ...]
    memory: Mapping[str, Memory]
    flops: float | None
    machine: str
    kept: Rates | None = None

    @property
    def n_bytes(self) -> float:
        """Of all artifacts that can be estimated."""
        return sum(step.n_bytes or 0 for step in self.steps)

    @property
    def seconds(self) -> float:
        """Of all steps that can be estimated, one after the other."""
        return sum(step.seconds or 0 for step in self.steps)


def estimate(
    plan: Plan, store: Store, probe: Callable[[int], float] | None = None, kept: Rates | None = None
) -> Estimates:
    """Estimate what the steps take that the store lacks.

    Args:
        plan: what would run.
        store: what is there, and how long it took.
        probe: tells, given threads, how many operations a second a matrix product reaches; a look at this machine.
        kept: what was measured here, which spares the look; see ``kept_rates``.
    """
    rates: dict[str, Any] = read_program_yaml(_RATES.read_text(encoding="utf-8"))
    builds = [artifact.manifest for artifact in store.artifacts()]
    sources = {step.subject.data: step.key for step in plan.steps.values() if not step.inputs}
    built = {data: store.folder(key) for data, key in sources.items() if store.status(key) == "present"}
    counts = {
        (data, prompts): count_rows(folder, prompts, training_alone=bool(data))
        for data, folder in built.items()
        for prompts in (True, False)
    }
    asked: list[float] = []

    @cache
    def flops() -> float:
        asked.append(kept.flops if kept else (probe or probe_flops)(plan.config.placement.threads))
        return asked[0]

    def look(facts: ModelFacts, data: str) -> tuple[Counts, ModelSize | None, float]:
        rows = counts.get((data, facts.prompts)) or _thousand(rates)
        size = _size(facts)
        return rows, size, tokens_of(facts, rows, size, builds, sources[data].fingerprint)

    steps, memory = list[StepEstimate](), dict[str, Memory]()
    for name, status in plan.status(store).items():
        step = plan.steps[name]
        if status == "present":
            continue
        data = step.subject.data
        rows, size, tokens, load = counts.get((data, True)) or _thousand(rates), None, 1.0, None
        if isinstance(step.subject, ModelSubject):
            rows, size, tokens = look(step.subject.model, data)
        if size is not None:
            stored = tokens if size.n_layers else 1.0
            load = Load(rows.requests, rows.kept, rows.items, stored, size.width, size.n_layers, _active(plan, step))
        if step.maker.runs_model and size is not None and isinstance(step.subject, ModelSubject):
            memory.setdefault(step.subject.model.name, memory_of(step.subject, rows, size, tokens, kept))
        found = nearest(step, builds)
        steps.append(_of_step(step, rows, size, tokens, load, found, builds, rates, flops, kept))
    analysed = {prompts: rows for (data, prompts), rows in counts.items() if not data}
    return Estimates(analysed, tuple(steps), memory, asked[0] if asked else None, rates["machine"], kept)


def count_rows(dataset: Path, prompts: bool, training_alone: bool = False) -> Counts:
    """Count the rows of a built data set, and what must be embedded by models that follow instructions or do not."""
    tables = DatasetTables.read(dataset)
    requests = needed_requests(tables, prompts, training_alone)
    asked = searched(tables.tasks, tables.candidates, tables.samples)
    prompt = pl.col("prompt_id") if prompts else pl.lit(PLAIN_PROMPT)
    answers = set(asked.select("sample_id", prompt).unique().iter_rows())
    n = max(len(requests), 1)
    return Counts(
        samples=tables.samples.height,
        queries=tables.queries.height,
        candidates=tables.candidates.height,
        requests=len(requests),
        kept=sum(request.keeps_states for request in requests),
        items=sum((request.sample_id, request.prompt_id) in answers for request in requests),
        characters=sum(len(request.text or "") + len(request.instruction or "") for request in requests) / n,
        pictured=sum(request.image_ref is not None for request in requests) / n,
    )


def tokens_of(facts: ModelFacts, rows: Counts, size: ModelSize | None, builds: list[Manifest], dataset: str) -> float:
    """Return the tokens of a request: as a build on the same data had them, else by characters and pictures."""
    for manifest in builds:
        if facts.has_tokens and manifest.source == facts.identity and dataset in manifest.inputs.values():
            return manifest.rows.get("tokens", 0) / max(rows.kept, 1) or 1.0
    pictures = rows.pictured * (size.picture_tokens if size else 0)
    return _TEMPLATE * facts.prompts + rows.characters / _CHARACTERS + pictures


def memory_of(subject: ModelSubject, rows: Counts, size: ModelSize, tokens: float, kept: Rates | None = None) -> Memory:
    """Return what extraction takes: a layer's widths of a batch, and the vectors and states that a shard collects."""
    number, placement = _BYTES.get(subject.model.dtype, 2), subject.placement
    shard = min(placement.shard_size, rows.requests)
    of_pass = min(placement.batch_size * tokens, max(placement.batch_tokens, tokens))
    layer = of_pass * (6 * size.width + 3 * size.inner) * number
    # Vectors are joined and turned into a table, which holds them three times; states twice, one as half precision.
    vectors = 3 * 4 * shard * count_representations(size.n_layers, None) * size.width
    stored = tokens if size.n_layers else 1.0
    states = 6 * shard * rows.kept / max(rows.requests, 1) * stored * size.width
    pictures = min(_REMEMBERED, shard * rows.pictured * size.picture_tokens * size.width * number)
    return replace(least_memory(size, subject.model.dtype, kept), work=layer + vectors + states + pictures)


def least_memory(size: ModelSize, dtype: str, kept: Rates | None = None) -> Memory:
    """Return what a model takes before it embeds anything; half precision where ``dtype`` leaves it open."""
    return Memory(kept.libraries if kept else _LIBRARIES, size.numbers * _BYTES.get(dtype, 2), 0.0)


def nearest(step: Step, builds: list[Manifest]) -> Manifest | None:
    """Return the build most like a step: of its stage and kind of device, its model, its settings, the newest."""
    like = [
        manifest
        for manifest in builds
        if manifest.stage == step.stage and _device(manifest) == step.subject.placement.device_kind
    ]
    return max(like, key=lambda m: (_same_model(step, m, builds), _same_settings(step, m), m.created), default=None)


def probe_flops(threads: int, seconds: float = 0.3) -> float:
    """Return the operations a second that a product of float32 matrices reaches here, the best of several."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    matrix = np.ones((_PROBE, _PROBE), dtype=np.float32)
    best, end = float("inf"), time.perf_counter() + seconds
    with threadpool_limits(limits=threads):
        # One at least: where others take the processor, the time may be over before the first.
        while best == float("inf") or time.perf_counter() < end:
            started = time.perf_counter()
            matrix @ matrix
            best = min(best, time.perf_counter() - started)
    return 2 * _PROBE**3 / best


def _of_step(
    step: Step,
    rows: Counts,
    size: ModelSize | None,
    tokens: float,
    load: Load | None,
    found: Manifest | None,
    builds: list[Manifest],
    rates: Mapping[str, Any],
    flops: Callable[[], float],
    kept: Rates | None,
) -> StepEstimate:
    rate = rates["stages"].get(step.stage)
    of_model = found is not None and _same_model(step, found, builds)
    then = None if found is None else _samples(found, builds)
    grown = rows.samples / then if then else 1.0
    volume = None if load is None else step.maker.volume(step.subject, load)
    n_bytes = None if found is None else grown * sum(file.size for file in found.files)
    if volume is not None and not (found and of_model and _same_settings(step, found) == len(found.config)):
        n_bytes = volume
    products = None if load is None else step.maker.products(step.subject, load)
    # An autoencoder of other settings may be many times as wide.
    others = products is not None and found is not None and _same_settings(step, found) < len(found.config)
    if found is not None and (of_model or not step.maker.runs_model) and not others:
        return StepEstimate(step.name, n_bytes, grown * found.seconds, f"{found.created:%Y-%m-%d}")
    if rate is None:
        return StepEstimate(step.name, n_bytes, None, None)
    if n_bytes is None:
        n_bytes = rate["bytes"] * rows.samples / THOUSAND
    if "share" not in rate:
        seconds = rate["seconds"] * rows.samples / THOUSAND * rates["flops"] / flops()
        return StepEstimate(step.name, n_bytes, seconds, None)
    if step.maker.runs_model:  # it passes every request through the model once
        operations = None if size is None else 2.0 * size.numbers * tokens * rows.requests
    else:
        operations = products
    if kept is None:
        return StepEstimate(step.name, n_bytes, operations and operations / (rate["share"] * flops()), None)
    measured = kept.extraction if step.maker.runs_model else kept.training
    return StepEstimate(step.name, n_bytes, operations and operations / measured + n_bytes / kept.disk, None, MEASURED)


def _size(facts: ModelFacts) -> ModelSize | None:
    try:
        return FAMILIES[facts.family].size(facts)
    except LensError:
        return None  # what is wrong with it is told when it is loaded


def _thousand(rates: Mapping[str, Any]) -> Counts:
    n = THOUSAND
    requests, kept, items = (round(n * rates[name]) for name in ("requests", "kept", "items"))
    return Counts(n, n, n, requests, kept, items, 60.0, 0.5)


def _active(plan: Plan, step: Step) -> int | None:
    if not isinstance(step.subject, SaeSubject):
        return None
    saes = plan.config.saes(step.subject.model)
    return next((getattr(sae, "k", None) for sae in saes if sae.name == step.subject.sae), None)


def _device(manifest: Manifest) -> str:
    return str(manifest.placement.get("device", "cpu")).partition(":")[0]


def _inputs(manifest: Manifest, builds: list[Manifest]) -> list[Manifest]:
    used = set(manifest.inputs.values())
    return [manifest, *(other for other in builds if other.fingerprint in used)]


def _same_model(step: Step, manifest: Manifest, builds: list[Manifest]) -> bool:
    if not isinstance(step.subject, ModelSubject):
        return True
    return step.subject.model.identity in {one.source for one in _inputs(manifest, builds)}


def _same_settings(step: Step, manifest: Manifest) -> int:
    """Return how many sections of the settings are equal."""
    return sum(step.key.config.get(name) == section for name, section in manifest.config.items())


def _samples(manifest: Manifest, builds: list[Manifest]) -> int | None:
    """Return the samples of the data set that an artifact was built from."""
    return next((one.rows["samples"] for one in _inputs(manifest, builds) if "samples" in one.rows), None)
