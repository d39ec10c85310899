"""A plan as people look at it: its steps, what is in the store, and what the rest will take."""

from pathlib import Path

from flows.terminal import out, print_table
from flows.units import duration, size
from pipeline_core.config import RunConfig
from pipeline_core.errors import LensError
from pipeline_core.planner.estimates import MEASURED, Estimates, estimate
from pipeline_core.planner.plan import Plan
from pipeline_core.planner.rates import kept_rates
from pipeline_core.planner.study import Assumed, chosen, taken, together
from pipeline_core.store.artifacts import Store


def show_plan(plan: Plan, root: Path) -> None:
    """Print steps and estimates."""
    store = Store(root)
    status = plan.status(store)
    steps = [(name, step.key.short, status[name]) for name, step in plan.steps.items()]
    print_table(["step", "artifact", "in the store"], steps)
    served = ", ".join(f"{model.name} (family {model.family})" for model in plan.models)
    out.print(f"Models: {served}.", markup=False, highlight=False)
    if set(status.values()) == {"present"}:
        return
    found = estimate(plan, store, kept=kept_rates(plan.config.placement))
    rows = [(s.step, size(s.n_bytes), duration(s.seconds), s.built or s.rate) for s in found.steps]
    print_table(["to build", "bytes", "time", "as built"], rows)
    for line in _lines(plan, found):
        out.print(line, markup=False, highlight=False)


def show_published(config: RunConfig, missing: LensError) -> bool:
    """Print what a run would take whose data or models are not here, if it is known how much they are."""
    assumed = Assumed()
    sizes, tasks = chosen(config)
    if not sizes:
        return False
    rows, all_of_it = [], []
    for model, of_model in sizes.items():
        parts = [taken(task, of_model, assumed) for task in tasks]
        all_of_it += parts
        for task, part in zip(tasks, parts, strict=True):
            rows.append((model, task.task, f"{part.rows:,}", size(part.n_bytes), duration(part.seconds)))
    print_table(["model", "task", "embeddings", "bytes", "time"], rows)
    whole, store = together(all_of_it), config.section("activations").store
    kept = "" if store == "analysed" else f" (activations.store is {store}, and more is stored than that)"
    lines = (
        config.section("protocol").told,
        f"By published counts, as {missing.problem}.",
        f"In all about {size(whole.n_bytes)} and {duration(whole.seconds)} of one GPU: the analysed representation "
        f"alone{kept}, at {assumed.share:.0%} of {assumed.flops / 1e12:.0f} TFLOP/s, inferred and not measured.",
    )
    for line in lines:
        out.print(line, markup=False, highlight=False)
    return True


def _lines(plan: Plan, found: Estimates) -> list[str]:
    lines = [plan.config.section("protocol").told]
    if found.counts:
        rows = found.counts[True]
        lines.append(f"Rows: {rows.samples:,} samples, {rows.queries:,} queries, {rows.candidates:,} candidates.")
        for model in plan.models:
            lines.append(f"  {model.name}: {found.counts[model.prompts].requests:,} embeddings a representation.")
        whole = "In all"
    else:
        lines.append("Rows: after the data set is built; until then bytes and times are for 1,000 samples.")
        whole = "For 1,000 samples"
    lines.append(f"{whole} about {size(found.n_bytes)} and {duration(found.seconds)}, one step after the other.")
    for name, memory in found.memory.items():
        parts = f"libraries {size(memory.libraries)}, weights {size(memory.weights)}, work {size(memory.work)}"
        lines.append(f"Memory of {name}: {size(memory.total)} ({parts}).")
    if found.flops is not None:
        where = f"measured on {found.kept.measured}" if found.kept else "found here; lens bench measures more"
        lines.append(f"Times by reference: {found.machine}; scaled to {found.flops / 1e9:.0f} GFLOP/s {where}.")
    if found.kept is not None and any(step.rate == MEASURED and not step.built for step in found.steps):
        lines.append(f"Times by bench: rates of this machine, measured on {found.kept.measured} (lens bench).")
    return lines
