"""The runner without a server: one step after the other in this process, for notebooks, tests and machines of CI."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from pathlib import Path
from threading import Event

from pipeline_core.planner.execution import RETRY_DELAYS, Outcome, build_part, carry_out, claimed_parts, may_pass
from pipeline_core.planner.plan import Plan
from pipeline_core.stage import Progress
from pipeline_core.store.artifacts import Store
from pipeline_core.store.journal import LiveRun
from tasks.events import events_of
from tasks.pace import LoggedProgress

log = logging.getLogger(__name__)

Listener = Callable[[str, int, int], None]
"""Called with (step, units of work done, and in all)."""


class InlineRunner:
    """Carries out a plan in this process."""

    def __init__(self, listener: Listener = lambda name, done, total: None) -> None:
        """Tell the progress of steps to ``listener``."""
        self._listener = listener

    def __call__(self, plan: Plan, root: Path, run: LiveRun) -> BaseException | None:
        """Go through the steps in order; those whose inputs failed are left out. Returns the first failure."""
        store, missing = Store(root), set[str]()
        failure: BaseException | None = None
        for name, step in plan.steps.items():
            if missing & set(step.inputs.values()):
                missing.add(name)
                continue
            try:
                with events_of(run.record.run_id, step):
                    outcome = self._attempt(plan, name, store, run.record.run_id)
            except Exception as error:
                missing.add(name)
                failure = failure or error
                continue
            run.reach(name, outcome.cached, outcome.seconds)
        return failure

    def _attempt(self, plan: Plan, name: str, store: Store, run_id: str) -> Outcome:
        """Carry out a step; what may pass by itself is tried again."""
        for delay in RETRY_DELAYS:
            try:
                return self._once(plan, name, store, run_id)
            except Exception as error:
                if not may_pass(error):
                    raise
                log.warning("%s: %s; tried again in %g s", name, error, delay)
                Event().wait(delay)
        return self._once(plan, name, store, run_id)

    def _once(self, plan: Plan, name: str, store: Store, run_id: str) -> Outcome:
        logged = LoggedProgress(name, log)

        def tell(done: int, total: int) -> None:
            logged(done, total)
            self._listener(name, done, total)

        self._listener(name, 0, 1)
        spent = _build_parts(plan, name, store, tell) if plan.config.placement.workers > 1 else 0.0
        outcome, artifact = carry_out(plan, name, store, tell, spent)
        log.info(outcome.line(run_id, artifact.n_held))
        return outcome


def _build_parts(plan: Plan, name: str, store: Store, tell: Progress) -> float:
    """Have threads build the parts of a step that are not there, if there are several; return the seconds they took."""
    with claimed_parts(plan, name, store) as sizes, ThreadPoolExecutor(plan.config.placement.workers) as threads:
        if len(sizes) < 2:
            return 0.0
        # Each thread logs as the step does: it has a copy of the context that says so.
        jobs = {
            threads.submit(copy_context().run, build_part, plan, name, store, number): size
            for number, size in sizes.items()
        }
        done, spent = 0, 0.0
        try:
            for job in as_completed(jobs):
                spent += job.result()
                done += jobs[job]
                tell(done, sum(sizes.values()))
        finally:
            threads.shutdown(cancel_futures=True)
    return spent
