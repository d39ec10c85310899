"""What is submitted when: a step when its inputs are there, its parts before it, as many as there are workers."""

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import get_run_logger
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import TaskRunner

from pipeline_core.planner.execution import Outcome, claimed_parts
from pipeline_core.planner.plan import Plan, Step
from pipeline_core.stage import Progress
from pipeline_core.store.artifacts import Store
from pipeline_core.store.journal import LiveRun
from tasks import progress
from tasks.events import events_of
from tasks.step import PARTS, TASKS

Asking = Callable[[Step], AbstractContextManager[None]]
"""In whose context a task of a step is submitted: it says what the task asks of a cluster."""


@dataclass
class _Parts:
    """Parts of a step that workers build, before it is carried out itself.

    Attributes:
        sizes: units of work of those that were missing, by number.
        waiting: those that are not submitted yet.
        left: those that are not done.
        claim: keeps other runs from building them.
        tell: told how many units are done.
        seconds: what those that are done took.
        failed: whether one of them failed, and with it the step.
    """

    sizes: Mapping[int, int]
    waiting: deque[int]
    left: set[int]
    claim: ExitStack
    tell: Progress
    seconds: float = 0.0
    failed: bool = False


class Submission:
    """A run under way: which of its tasks wait, run and are done."""

    def __init__(self, plan: Plan, root: Path, run: LiveRun, runner: TaskRunner[Any], asking: Asking) -> None:
        """Submit the steps of a plan to a task runner that was started."""
        self._plan, self._root, self._run, self._runner, self._asking = plan, root, run, runner, asking
        self._waiting = dict(plan.steps)
        self._parts: dict[str, _Parts] = {}
        self._running: dict[PrefectFuture[Any], tuple[str, int | None]] = {}
        self._done: dict[str, PrefectFuture[Any]] = {}
        self._failure: BaseException | None = None

    def carry_out(self) -> BaseException | None:
        """Go on until nothing is left but what needs a step that failed; return the first failure."""
        try:
            while self._fill():
                future = next(iter(as_completed(list(self._running))))
                name, number = self._running.pop(future)
                # A worker that is lost for good has no state of its own: waiting gives it one.
                future.wait()
                result = future.result(raise_on_failure=False)
                if number is None:
                    self._take_step(name, future, result)
                else:
                    self._take_part(name, number, result)
        finally:
            for own in self._parts.values():
                own.claim.close()
        return self._failure

    def _fill(self) -> bool:
        """Give free workers something to do, parts first; say whether anything is under way."""
        workers = self._plan.config.placement.workers
        while len(self._running) < workers:
            begun = next(((name, own) for name, own in self._parts.items() if own.waiting), None)
            ready = (name for name, step in self._waiting.items() if set(step.inputs.values()) <= self._done.keys())
            if begun is not None:
                name, own = begun
                number = own.waiting.popleft()
                self._submit(PARTS, name, number=number)
            elif (name := next(ready, "")) and not self._begin_parts(name):
                self._submit(TASKS, name)
            elif not name:
                break
        return bool(self._running)

    def _begin_parts(self, name: str) -> bool:
        """Begin a step; say whether it has parts that several workers can build."""
        step = self._waiting.pop(name)
        if step.parts is None or self._plan.config.placement.workers == 1:
            return False
        with ExitStack() as stack:
            sizes = stack.enter_context(claimed_parts(self._plan, name, Store(self._root)))
            if len(sizes) < 2:
                return False
            tell = progress.Progress(name, get_run_logger())
            self._parts[name] = _Parts(sizes, deque(sizes), set(sizes), stack.pop_all(), tell)
        return True

    def _submit(self, tasks: Mapping[str, Any], name: str, **others: Any) -> None:
        step = self._plan.steps[name]
        run_id = self._run.record.run_id
        parameters = {"plan": self._plan, "name": name, "root": self._root, "run_id": run_id, **others}
        number = others.get("number")
        if number is None:
            for listener in progress.listeners:  # on a cluster nobody else tells them
                listener(name, 0, 1)
        # What Prefect logs of a task is told as the step's, too: a thread takes the context over.
        with self._asking(step), events_of(run_id, step):
            needed = [self._done[source] for source in step.inputs.values()]
            future = self._runner.submit(tasks[step.stage], parameters, wait_for=needed)
        self._running[future] = name, number

    def _take_step(self, name: str, future: PrefectFuture[Any], result: object) -> None:
        if isinstance(result, Outcome):
            self._done[name] = future
            self._run.reach(name, result.cached, result.seconds)
        else:
            self._fail(name, result)

    def _take_part(self, name: str, number: int, result: object) -> None:
        own = self._parts[name]
        own.left.remove(number)
        if isinstance(result, float):
            own.seconds += result
            total = sum(own.sizes.values())
            own.tell(total - sum(own.sizes[left] for left in own.left), total)
        else:
            self._fail(name, result)
            own.failed = True
            own.left.difference_update(own.waiting)
            own.waiting.clear()
        if own.left:
            return
        del self._parts[name]
        own.claim.close()
        if not own.failed:
            self._submit(TASKS, name, spent=own.seconds)

    def _fail(self, name: str, result: object) -> None:
        error = result if isinstance(result, BaseException) else RuntimeError(f"{name} ended as {result}")
        self._failure = self._failure or error
