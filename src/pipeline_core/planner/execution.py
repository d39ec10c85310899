"""How one step is carried out, whatever the runner: its stage builds, contracts are checked, the store publishes."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from pipeline_core.errors import LensError
from pipeline_core.models.devices import check_device
from pipeline_core.planner.plan import Plan, Step
from pipeline_core.stage import BuiltTogether, Progress, Used, Work
from pipeline_core.store.artifacts import Store
from pipeline_core.store.manifest import Artifact
from pipeline_core.store.space import room_told
from pipeline_core.user_cache import user_cache

log = logging.getLogger(__name__)

RETRY_DELAYS = (2.0, 10.0)
"""Seconds before a step that failed is tried again."""

_PERMANENT = (LensError, FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_OUT_OF_MEMORY = "OutOfMemoryError"


@dataclass(frozen=True)
class Outcome:
    """What became of a step: a reference to its artifact, never the data.

    ``seconds`` are those of this run, of all workers together.
    """

    name: str
    stage: str
    fingerprint: str
    cached: bool
    seconds: float

    def line(self, run_id: str, n_held: int) -> str:
        """Return the line of a log: what became of the step, and as fields of which run, stage and artifact it tells.

        Args:
            run_id: the run's id in the journal.
            n_held: expectations that hold of the artifact.
        """
        became = "was in the store" if self.cached else f"built in {self.seconds:.1f} s, {n_held} expectations hold"
        return f"{self.name}: {became} run={run_id} stage={self.stage} fingerprint={self.fingerprint}"


def check_machine(plan: Plan, store: Store) -> None:
    """See that this machine has the device of a plan, if a step that the store lacks computes on it.

    On a cluster others run it, and look for themselves.

    Raises:
        ConfigError: it has not.
    """
    placement = plan.config.placement
    if placement.runner == "ray" and placement.ray_address is not None:
        return
    status = plan.status(store)
    needing = (name for name, step in plan.steps.items() if step.maker.on_device)
    if any(status[name] != "present" for name in needing):
        check_device(placement.device)


def mend_inputs(plan: Plan, store: Store) -> None:
    """Set aside what steps to be built would read and is not as it was published: it is then built anew before them."""
    read = set[str]()
    for name, step in reversed(list(plan.steps.items())):
        there = store.mend(step.key) if name in read else store.status(step.key)
        if there != "present":
            read.update(step.inputs.values())


def carry_out(plan: Plan, name: str, store: Store, progress: Progress, spent: float = 0.0) -> tuple[Outcome, Artifact]:
    """Find or build the artifact of a step whose inputs are in the store.

    Args:
        plan: the run's plan.
        name: the step.
        store: where it is, or is put.
        progress: told how far the work is.
        spent: seconds that workers took for parts that are now there, which count as the step's.

    Raises:
        LensError: a user's mistake, a broken contract among them.
        OSError: input or output failed; the next attempt goes on from what is there.
    """
    from pipeline_core.contracts.validation import validate_artifact  # noqa: PLC0415
    from pipeline_core.threads import limited_threads  # noqa: PLC0415

    step = plan.steps[name]
    work_in = _workshop(plan, step, store, progress)
    _benches.clear()

    def validate(folder: Path) -> list[dict[str, Any]]:
        return [asdict(result) for result in validate_artifact(step.stage, folder, step.maker.limits(work_in(folder)))]

    elsewhere = spent

    def build(folder: Path) -> None:
        nonlocal elsewhere
        with _fellows(plan, step, store) as fellows:
            elsewhere = spent - _build(step, work_in(folder), fellows, store)

    started = time.monotonic()
    room = room_told(store.root, name, lambda: _n_bytes(plan, name, store))
    with limited_threads(step.subject.placement.threads), room:
        placement = step.subject.placement.model_dump(mode="json")
        artifact, cached = store.materialize(step.key, build, validate, placement, step.rules, lambda: elsewhere)
    seconds = time.monotonic() - started if cached else artifact.manifest.seconds
    return Outcome(name, step.stage, artifact.fingerprint, cached, seconds), artifact


@contextmanager
def _fellows(plan: Plan, step: Step, store: Store) -> Iterator[list[tuple[Step, Work[Any]]]]:
    """Keep other runs from building what one pass can build with a step, of what is neither there nor being built.

    Where there are several workers there are none: each builds one.
    """
    with ExitStack() as claims:
        fellows = []
        for other in plan.fellows(step) if step.subject.placement.workers == 1 else ():
            if claims.enter_context(store.claimed(other.key)) and store.status(other.key) == "missing":
                fellows.append((other, _workshop(plan, other, store, _untold)(store.unfinished(other.key))))
        yield fellows


def _build(step: Step, work: Work[Any], fellows: Sequence[tuple[Step, Work[Any]]], store: Store) -> float:
    """Build a step, and its fellows with it: their own turn finds all but the publication done.

    Returns:
        The seconds that the fellows took.
    """
    if fellows and isinstance(step.maker, BuiltTogether):
        try:
            _, *seconds = step.maker.build_together([work, *(work for _, work in fellows)])
        except Exception as error:
            # It may be a fellow's fault, whose own turn tells it.
            if not isinstance(error, LensError):
                names = ", ".join(fellow.name for fellow, _ in fellows)
                log.warning("%s: not built together with %s (%s)", step.name, names, error)
        else:
            for (fellow, _), taken in zip(fellows, seconds, strict=True):
                store.note_spent(fellow.key, taken)
            return sum(seconds)
    step.maker.build(work)
    return 0.0


@contextmanager
def claimed_parts(plan: Plan, name: str, store: Store) -> Iterator[Mapping[int, int]]:
    """Keep other runs from building the parts of a step, for whoever has workers build them.

    ``build_part`` takes no lock, so that workers may be on other machines that see the store; ``carry_out`` then finds
    the parts, builds what none of them did, and seals all.

    Yields:
        The units of work of each part that is not there, by its number; none where the artifact is there, is built by
        another run at this moment, or is built whole: ``carry_out`` knows what to do.
    """
    step = plan.steps[name]
    with store.claimed(step.key) as claimed:
        if not claimed or step.parts is None or store.status(step.key) == "present":
            yield {}
            return
        maker = step.parts
        work = _workshop(plan, step, store, _untold)(store.unfinished(step.key))
        parts = maker.partitions(work)
        yield {number: maker.size(part) for number, part in enumerate(parts) if not maker.is_built(work, part)}


def build_part(plan: Plan, name: str, store: Store, number: int) -> float:
    """Build one part of a step, into files of its own and without a lock, and return the seconds that it took.

    What parts share, a model for one, is loaded once a process, or once a thread where several build at once, and kept
    until a step of another key is begun.

    Raises:
        LensError: a user's mistake.
        OSError: input or output failed.
    """
    from pipeline_core.threads import limited_threads  # noqa: PLC0415

    step, started = plan.steps[name], time.monotonic()
    room = room_told(store.root, name, lambda: _n_bytes(plan, name, store))
    with limited_threads(step.subject.placement.threads), room, _bench(plan, step, store) as (parts, build):
        build(parts[number], lambda count: None)
    return time.monotonic() - started


Bench = tuple[Sequence[Any], Callable[[Any, Callable[[int], None]], None]]
"""The parts of a step, and what builds one with what it loaded for that."""

_benches: dict[tuple[str, ...], list[Bench]] = {}
"""Those that no thread works at, of the step at work alone."""

_benches_lock = Lock()


@contextmanager
def _bench(plan: Plan, step: Step, store: Store) -> Iterator[Bench]:
    assert step.parts is not None, f"{step.stage} is built whole"
    key = step.key.fingerprint, str(store.root), step.subject.placement.model_dump_json()
    with _benches_lock:
        if key not in _benches:
            _benches.clear()
        idle = _benches.setdefault(key, [])
        bench = idle.pop() if idle else None
    if bench is None:
        work = _workshop(plan, step, store, _untold)(store.unfinished(step.key))
        bench = step.parts.partitions(work), step.parts.builder(work)
    yield bench
    # Not after an error, which may have left anything behind.
    idle.append(bench)


def _untold(done: int, total: int) -> None:
    """Tell nobody: who has parts built knows which are done."""


def _n_bytes(plan: Plan, name: str, store: Store) -> float | None:
    """Estimate the bytes of a step's artifact."""
    from pipeline_core.planner.estimates import estimate  # noqa: PLC0415 - few runs ask

    steps = estimate(plan, store, probe=lambda threads: 1.0).steps
    return next((step.n_bytes for step in steps if step.step == name), None)


def _workshop(plan: Plan, step: Step, store: Store, progress: Progress) -> Callable[[Path], Work[Any]]:
    # Inputs are looked up when they are needed: every byte of them is read, and a step that is there reads none.
    used = cache(lambda: used_by(plan, store, step))
    return lambda folder: Work(step.subject, used(), folder, progress, user_cache("models"))


def used_by(plan: Plan, store: Store, step: Step) -> tuple[Used, ...]:
    """Return the inputs of a step, in the order of the plan.

    Raises:
        StoreError: one is missing or damaged.
    """
    return tuple(_used(store, role, plan.steps[source]) for role, source in step.inputs.items())


def _used(store: Store, role: str, step: Step) -> Used:
    artifact = store.get(step.key)
    manifest = artifact.manifest
    return Used(
        role,
        step.name,
        step.stage,
        artifact.folder,
        step.subject,
        step.repetition,
        manifest.seconds,
        manifest.contracts,
    )


def may_pass(error: object) -> bool:
    """Say whether a failure may pass by itself: input or output, network, device memory; never a user's mistake."""
    if isinstance(error, _PERMANENT):
        return False
    return isinstance(error, OSError) or type(error).__name__ == _OUT_OF_MEMORY
