"""The task that writes the report, and where the report's inputs lie in the store."""

from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State

from pipeline_core.config import ModelConfig
from pipeline_core.plan import Plan, Step
from pipeline_core.report.build import REPORT_FILE, build_report, read_summary
from pipeline_core.report.inputs import ModelArtifacts, ReportInputs, RunFacts, SaeArtifacts, StageFact
from pipeline_core.store.artifacts import Store
from tasks.progress import Progress
from tasks.step import OPTIONS, Outcome, run_step


def report_inputs(plan: Plan, store: Store) -> ReportInputs:
    """Find every input of a plan's report in the store; the outcomes of contracts are those of the analysis itself.

    Raises:
        StoreError: an artifact is missing or damaged.
    """
    built = [(step, store.get(step.key)) for step in plan.steps.values() if step.stage != "report"]
    stages = tuple(
        StageFact(step.name, artifact.stage, artifact.fingerprint, artifact.manifest.seconds)
        for step, artifact in built
    )
    contracts = tuple(
        {"artifact": artifact.fingerprint, **result}
        for step, artifact in built
        if step.repetition == 0
        for result in artifact.manifest.contracts
    )
    (dataset,) = plan.of_stage("dataset")
    numbers = sorted({step.repetition for step in plan.steps.values()})
    models, *repetitions = (
        tuple(_model(plan, store, model, number) for model in plan.config.models) for number in numbers
    )
    return ReportInputs(store.folder(dataset.key), models, plan.config, RunFacts(stages, contracts), tuple(repetitions))


def _model(plan: Plan, store: Store, model: ModelConfig, repetition: int) -> ModelArtifacts:
    """Find a model's artifacts of one repetition; repetitions share the analysis's activations."""
    name = model.name

    def folder(stage: str) -> Path | None:
        steps = plan.of_stage(stage, name, repetition)
        return store.folder(steps[0].key) if steps else None

    def of_recipe(stage: str, step: Step) -> Path:
        return store.folder(next(s.key for s in plan.of_stage(stage, name, repetition) if s.recipe == step.recipe))

    (activations,) = plan.of_stage("activations", name)
    (retrieval,) = plan.of_stage("retrieval", name, repetition)
    return ModelArtifacts(
        name=name,
        kind="contrastive" if activations.contrastive else "generative",
        activations=store.folder(activations.key),
        retrieval=store.folder(retrieval.key),
        saes=tuple(
            SaeArtifacts(
                f"{name}/{step.recipe}", store.folder(step.key), of_recipe("codes", step), of_recipe("features", step)
            )
            for step in plan.of_stage("sae", name, repetition)
        ),
        index=folder("index"),
        sweep=folder("sweep"),
        removal=folder("removal"),
        attention=folder("attention"),
        efficiency=folder("efficiency"),
        fine_tuned=model.fine_tuned,
    )


@task(name="report", **OPTIONS)
def make_report(plan: Plan, name: str, root: Path) -> Outcome | State[Outcome]:
    """Write the page, and its summary for the UI."""
    store = Store(root)

    def build(folder: Path, progress: Progress) -> None:
        build_report(report_inputs(plan, store), plan.config.report, folder)

    outcome = run_step(plan, name, store, build)
    folder = store.folder(plan.steps[name].key)
    lines = "\n".join(f"- {line}" for line in read_summary(folder))
    create_markdown_artifact(
        f"# {plan.config.report.title}\n\n{lines}\n\nThe whole report: `{folder / REPORT_FILE}`",
        key="report",
        description="What was found",
    )
    return outcome
