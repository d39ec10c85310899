"""The command ``lens``: run an analysis, query its tables, search its index, look after its store."""

import atexit
import errno
import logging
import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows import environment, models_command
from flows.ask_command import features, sql
from flows.bench_command import bench
from flows.exits import ExitStatus
from flows.export_command import export
from flows.open_files import allow_files
from flows.options import ConfigOption, PresetOption, SetOption, StoreOption, existing_store
from flows.runs_command import compare, open_in_browser, report, runs
from flows.search_command import search
from flows.serve_command import serve
from flows.service_command import down, status, up
from flows.stopping import ends_when_asked
from flows.terminal import complain, err, out, print_table, progress_line, speak_any_locale
from pipeline_core.errors import LensError, StoreError, see_to_files

if TYPE_CHECKING:
    from flows.running import FlowName
    from pipeline_core.config import RunConfig
    from pipeline_core.planner.plan import Plan

app = typer.Typer(
    name="lens",
    help="Why a multimodal model retrieves badly, and what fixes it: measured, in tables and a report.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
app.add_typer(models_command.app, name="models")
_debug = False
_LONGEST = 500  # characters of a library's error
_OF_ERRORS: dict[int | None, str] = {
    errno.EROFS: "make it writable, or name another store with --store",
    errno.EMFILE: "raise the limit of open files (ulimit -n 1024)",
}
"""What can be done about errors of the system, by their number."""


def _tell_version(asked: bool) -> None:
    if asked:
        out.print(f"retrieval-lens {metadata.version('retrieval-lens')}", markup=False, highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole trace of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    global _debug  # noqa: PLW0603 - main(), which prints errors, runs outside any command
    _debug = debug


ShowOption = Annotated[bool, typer.Option("--show", help="Print the whole config as YAML and stop.")]
RunnerOption = Annotated[
    Literal["prefect", "inline", "ray"] | None,
    typer.Option(
        help="prefect: with server and UI (the default); inline: in this process, without a server; ray: on a cluster "
        "(placement.ray_address), or placement.workers processes of this machine."
    ),
]
PlanOption = Annotated[bool, typer.Option("--plan", help="Say what the store has, what the rest will take, and stop.")]


@app.command()
def run(
    preset: PresetOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    store: StoreOption = None,
    runner: RunnerOption = None,
    show: ShowOption = False,
    plan: PlanOption = False,
) -> None:
    """Analyse a model on a data set; only what the store lacks is built.

    Without options this is the demo: both reference models on the emoji data set.
    To analyse your own: [bold]lens run --set dataset.name=folder --set dataset.path=FOLDER --set model.name=NAME[/bold]
    """
    analysis = _config(preset, config, settings, runner)
    _carry_out("compare" if analysis.compare_with else "analyze", analysis, store, show, plan)


@app.command()
def sweep(
    preset: PresetOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    store: StoreOption = None,
    runner: RunnerOption = None,
    show: ShowOption = False,
    plan: PlanOption = False,
) -> None:
    """Measure every claim of the paper: layers, poolings, masks, adaptations, removals, attention, costs, three seeds.

    It goes on from [bold]lens run[/bold] with the same options: what that stored is not computed again.
    One seed only: [bold]lens sweep --set repetitions=1[/bold]
    """
    _carry_out("sweep", _config(preset, config, settings, runner), store, show, plan)


for command in (runs, compare, report, sql, features, search, serve, export, up, down, status, bench):
    app.command()(command)
app.command("open")(open_in_browser)


@app.command()
def score(
    run_file: Annotated[Path, typer.Argument(metavar="RUN", help="A TREC run: qid Q0 docid rank score tag.")],
    qrels_file: Annotated[Path, typer.Argument(metavar="QRELS", help="TREC qrels: qid iter docid relevance.")],
    k: Annotated[
        list[int] | None,
        typer.Option("-k", min=1, max=1_000_000, help="Cut-off, may be repeated; by default 1, 5 and 10."),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, unrounded.")] = False,
) -> None:
    """Score any system's TREC run: hit rate, MRR, recall and nDCG, with 95% bootstrap intervals over queries."""
    from pipeline_core.retrieval.settings import ScoringSettings
    from pipeline_core.retrieval.trec import read_qrels, read_run
    from pipeline_core.retrieval.trec_scoring import score_run

    defaults = ScoringSettings()
    scores = score_run(read_run(run_file), read_qrels(qrels_file), k or defaults.ks, defaults.bootstrap, defaults.seed)
    if as_csv:
        sys.stdout.write(scores.write_csv())
        return
    rows = [
        (metric, str(cut_off), f"{value:.4f}", f"[{low:.4f}, {high:.4f}]", str(n_queries))
        for metric, cut_off, value, low, high, n_queries in scores.iter_rows()
    ]
    print_table(["metric", "k", "value", "95% interval", "queries"], rows)


@app.command()
def verify(
    store: StoreOption = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set damaged artifacts aside; the next run builds them.")
    ] = False,
) -> None:
    """Check presence, size and digest of every file in the store, and of reference models in the user's cache."""
    from pipeline_core.store.artifacts import with_models

    _know_every_table()
    root = existing_store(store)
    found = [(holder, holder.verify()) for holder in with_models(root)]
    for problem in (problem for _, problems in found for problem in problems):
        err.print(f"{problem.artifact}: {problem.file} {problem.what}", markup=False, highlight=False)
    n_problems = sum(len(problems) for _, problems in found)
    if n_problems and not repair:
        raise StoreError(f"{n_problems} files are missing or altered", "lens verify --repair, then lens run")
    for holder, problems in found:
        for name in sorted({problem.artifact for problem in problems}):
            err.print(f"{name}: set aside as {holder.set_aside(holder.root / name)}", markup=False, highlight=False)
    if found[0][1]:
        _publish_warehouse(root)
    out.print(f"{sum(len(holder.artifacts()) for holder, _ in found)} artifacts are as they were published.")


@app.command()
def doctor(
    preset: PresetOption = None, config: ConfigOption = None, settings: SetOption = None, store: StoreOption = None
) -> None:
    """Check that this machine is ready: versions, embedded packages, disk, memory.

    With a preset, a config or settings also what their run needs: models, packages, data, device.
    """
    from pipeline_core.doctor import examine, examine_models, examine_needs, examine_unplanned

    root = store or environment.default_store()
    checks = list(examine(root))
    if preset or config or settings:
        analysis = _config(preset, config, settings, None)
        placement = analysis.placement
        checks += examine_models(analysis.models, analysis.section("dataset"), placement.device)
        if root.is_dir():  # otherwise there is no store to compare with
            from flows.running import plan_flow
            from pipeline_core.planner.estimates import estimate
            from pipeline_core.planner.rates import kept_rates
            from pipeline_core.store.artifacts import Store

            try:
                needs = estimate(plan_flow("compare", analysis), Store(root), kept=kept_rates(placement))
            except LensError as error:
                from pipeline_core.planner.study import chosen

                checks += examine_unplanned(root, chosen(analysis), analysis.models, placement, error)
            else:
                checks += examine_needs(root, needs, placement)
    print_table(["", "what", "found"], [("✓" if c.ok else "✗", c.name, c.found) for c in checks])
    for check in checks:
        if check.remedy and not check.ok:
            err.print(f"{check.name}: {check.remedy}", markup=False, highlight=False, soft_wrap=True)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


@app.command()
def diff(left: str, right: str, store: StoreOption = None) -> None:
    """Compare two runs column by column: ids, 'latest', or of any store the path or that of its runs/<run_id>.json."""
    from pipeline_core.store.diff import diff_runs
    from pipeline_core.store.journal import names_its_store

    _know_every_table()
    named = names_its_store(left) and names_its_store(right)
    differences = diff_runs(Path() if named else existing_store(store), left, right)
    for difference in differences:
        out.print(f"{difference.name}: {difference.what}", markup=False, highlight=False)
    if differences:
        raise typer.Exit(1)
    out.print("No difference.")


@app.command()
def prune(
    keep_runs: Annotated[int, typer.Option(min=1, help="Keep what this many newest completed runs use.")] = 10,
    delete: Annotated[bool, typer.Option("--delete", help="Really remove; otherwise only list.")] = False,
    store: StoreOption = None,
) -> None:
    """List, or with --delete remove, artifacts that no recent run uses, and assembled models of other versions."""
    from pipeline_core.reference import used_references
    from pipeline_core.store.artifacts import Store
    from pipeline_core.store.journal import used_artifacts
    from pipeline_core.user_cache import user_cache

    _know_every_table()
    root = existing_store(store)
    doomed = Store(root).prune(lambda: used_artifacts(root, keep_runs), dry_run=not delete)
    cache = user_cache("models")
    models = Store(cache).prune(used_references, dry_run=not delete) if cache.is_dir() else []
    for folder in (*doomed, *models):
        out.print(f"{'removed' if delete else 'would remove'} {folder}", markup=False, highlight=False)
    if doomed and delete:
        _publish_warehouse(root)


def _config(preset: list[str] | None, file: Path | None, settings: list[str] | None, runner: str | None) -> "RunConfig":
    from pipeline_core.config import load_config

    chosen = [f"placement.runner={runner}"] if runner else []
    return load_config(preset, file, (*(settings or ()), *chosen))


def _know_every_table() -> None:
    """Load the stages: those of other distributions add tables to the schema."""
    import_module("pipeline_core.pipeline")


def _publish_warehouse(root: Path) -> None:
    """Build the warehouse anew: its views must not name files that are gone."""
    from pipeline_core.warehouse.build import build_warehouse

    build_warehouse(root)


def _carry_out(flow: "FlowName", analysis: "RunConfig", store: Path | None, show: bool, plan: bool) -> None:
    """Show the config, or the plan, or run what the store lacks; then say what was found."""
    if show:
        import yaml

        values = analysis.model_dump(mode="json", by_alias=True)
        out.print(yaml.safe_dump(values, sort_keys=False), markup=False, highlight=False)
        return
    from flows.running import plan_flow, record_cached_run
    from pipeline_core.report.files import REPORT_FILE, read_summary
    from pipeline_core.store.artifacts import Store

    place = Store(store or environment.default_store())
    try:
        planned = plan_flow(flow, analysis)
    except LensError as error:
        from flows.plan_view import show_published

        if plan and show_published(analysis, error):
            return
        raise
    if plan:
        from flows.plan_view import show_plan

        show_plan(planned, place.root)
        return
    if planned.is_settled(place):
        record_cached_run(flow, planned, place.root)
        out.print(f"All {len(planned.steps)} steps were cached: nothing was run, no server was started.")
    else:
        _run(flow, planned, place.root)
    report_folder = place.folder(planned.of_stage("report")[0].key)
    for line in read_summary(report_folder):
        out.print(f"• {line}", markup=False, highlight=False)
    out.print(f"Report: {report_folder / REPORT_FILE}", markup=False, highlight=False)


def _run(flow: "FlowName", plan: "Plan", root: Path) -> None:
    """Carry out a plan by the runner that its placement names."""
    from pipeline_core.store.artifacts import Store

    Store(root).check_writable()
    with ends_when_asked(), progress_line(err, list(plan.steps)) as listener:
        if plan.config.placement.runner == "inline":
            from flows.inline import InlineRunner
            from flows.running import run_plan
            from tasks.events import write_as_asked

            if not listener:
                logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
                logging.getLogger(InlineRunner.__module__).setLevel(logging.INFO)
                write_as_asked()
            run_plan(flow, plan, root, InlineRunner(listener) if listener else InlineRunner())
            return
        from flows.server import check_server, outlived, prepare_server, temporary_server
        from pipeline_core.planner.execution import check_machine

        check_machine(plan, Store(root))  # before a server is started
        if plan.config.placement.runner == "ray":
            from flows.ray_cluster import check_ray

            check_ray()
        from flows.service import join

        join(root)
        prepare_server()
        check_server()
        from flows.analyze import analyze
        from flows.compare import compare
        from flows.prefect_runner import leave_mistakes_to_caller, planned
        from flows.sweep import sweep
        from tasks.progress import listeners

        if listener:
            listeners.append(listener)
        flows = {"analyze": analyze, "compare": compare, "sweep": sweep}
        planned[flow] = plan
        leave_mistakes_to_caller()
        with outlived(temporary_server()):
            flows[flow](plan.config, store=str(root))


def told(error: BaseException) -> str:
    """Return one line for an exception that nothing foresaw: what it says, and what can be done."""
    try:
        see_to_files(error)
    except OSError as limit:
        error = limit
    reason = " ".join(str(error).split())[:_LONGEST] or "no reason given"
    if isinstance(error, OSError):
        usual = "see that this can be read, and that there is room to write (lens doctor)"
        return f"{reason}; {_OF_ERRORS.get(error.errno, usual)}"
    if isinstance(error, MemoryError):
        return f"the memory is too little: {reason}; lower placement.batch_size, or analyse less data"
    kind = type(error).__name__
    return f"{kind}: {reason}; if what was given is in order, this is a fault of lens, and lens --debug shows where"


def main() -> None:
    """Run the command; print a user's mistake as one line and exit with 2."""
    speak_any_locale()
    status = ExitStatus()
    atexit.register(status.leave)
    try:
        allow_files()
        app()
    except SystemExit as end:
        status.take(end)
    except LensError as error:
        if _debug:
            raise
        complain(str(error))
        status.code = 2
    except BaseException as error:  # what libraries in Rust panic with is no Exception
        if _debug or isinstance(error, KeyboardInterrupt):
            raise
        complain(told(error))
        status.code = 1
