"""The commands about runs: ``lens runs``, ``lens compare``, ``lens report`` and ``lens open``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.options import JsonOption, RunOption, StoreOption, existing_store
from flows.serve_command import open_page, serve_pages
from flows.terminal import out, print_table
from flows.units import duration
from pipeline_core.warehouse.changes import changed, in_short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline_core.store.journal import RunRecord
    from pipeline_core.warehouse.comparing import Effect

_IN_COLUMNS = ("dataset", "model", "compare_with", "placement")
"""Sections of the config that have a column of their own, or decide no result."""


def runs(
    last: Annotated[int, typer.Option(min=1, help="Runs to show, the newest first.")] = 20,
    as_json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """List the runs: when, on what data, with which models, what changed against the one before, what came of it.

    Other commands take a run by its id, by a beginning of it, as [bold]latest[/bold] or [bold]latest~1[/bold].
    """
    from pipeline_core.store.journal import read_runs

    found = read_runs(existing_store(store))
    rows = [_told(run, before) for run, before in zip(found, (None, *found), strict=False)][: -last - 1 : -1]
    if as_json:
        out.print(json.dumps(rows, ensure_ascii=False, indent=1), markup=False, highlight=False)
    elif rows:
        print_table(list(rows[0]), [list(row.values()) for row in rows])
    else:
        out.print("No run yet: lens run makes one.")


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A run: its id or a beginning of it, latest, latest~1.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another, whose scores are to be told against those of A.")],
    metric: Annotated[Literal["hit_rate", "mrr"], typer.Option(help="Score at each task's cut-off.")] = "hit_rate",
    as_json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """Compare two runs: their configs, their scores on the queries that both asked, paired and tested, their features.

    Example: [bold]lens compare latest~1 latest[/bold]
    """
    from pipeline_core.store.journal import completed_run
    from pipeline_core.warehouse.comparing import compare_features, compare_scores

    root = existing_store(store)
    one, other = completed_run(root, a), completed_run(root, b)
    config = list(changed(other.config, one.config))
    scores, features = compare_scores(root, one, other, metric), compare_features(root, one, other)
    if as_json:
        told = {
            "a": one.run_id,
            "b": other.run_id,
            "config": [{"field": field, "a": before, "b": now} for field, before, now in config],
            "differences": [asdict(effect) for effect in scores.effects],
            "same": scores.same,
            "features": [dict(zip(features.columns, row, strict=True)) for row in features.rows],
        }
        out.print(json.dumps(told, ensure_ascii=False, indent=1), markup=False, highlight=False)
        return
    _say(f"A is {_named(one)}", f"B is {_named(other)}", "")
    if config:
        print_table(["config", "A", "B"], [(field, _shown(before), _shown(now)) for field, before, now in config])
    else:
        _say("Their configs are the same.")
    if scores.effects:
        _say("", f"{metric} at each task's cut-off k, paired by query; q over all {len(scores.effects)} rows:")
        print_table(
            ["model", "system", "task", "k", "queries", "A", "B", "B - A", "95% interval", "q"],
            [_cells(effect) for effect in scores.effects],
        )
    elif not scores.same:
        _say("", "They share no query: no scores are compared.")
    if scores.same:
        _say("", "The same on every query:")
        for model, systems in scores.same.items():
            _say(f"  {model}: {'; '.join(systems)}")
    if features.rows:
        _say("", "Features:")
        print_table(features.columns, [tuple(map(str, row)) for row in features.rows])


def report(run: RunOption = "latest", store: StoreOption = None) -> None:
    """Print the path of a run's report, by default of the latest completed one."""
    _say(str(_report_of(existing_store(store), run)))


def open_in_browser(
    what: Annotated[
        Literal["report", "app"], typer.Argument(help="The report, or the application, which is served until Ctrl-C.")
    ] = "report",
    run: RunOption = "latest",
    store: StoreOption = None,
) -> None:
    """Open a run's report in the browser, and print its path; or serve the application of the store and open that.

    Example: [bold]lens open app[/bold]
    """
    root = existing_store(store)
    if what == "app":
        from pipeline_core.store.journal import LATEST, completed_run

        serve_pages(root, opened="/" if run == LATEST else f"/?run={completed_run(root, run).run_id}")
        return
    page = _report_of(root, run)
    _say(str(page))
    open_page(page.as_uri())


def _report_of(root: Path, name: str) -> Path:
    from pipeline_core.errors import StoreError
    from pipeline_core.report.files import REPORT_FILE
    from pipeline_core.store.journal import completed_run

    run = completed_run(root, name)
    for used in run.artifacts:
        if used.stage == "report":
            return root / used.stage / used.fingerprint / REPORT_FILE
    raise StoreError(f"the run {run.run_id} made no report", "name another: lens runs")


def _told(run: "RunRecord", before: "RunRecord | None") -> dict[str, str]:
    return {
        "run": run.run_id,
        "started (UTC)": f"{run.started:%Y-%m-%d %H:%M}",
        "data": _data(run),
        "models": ", ".join(run.named("activations/")),
        "changed": "" if before is None else ", ".join(_changes(run, before)) or "nothing",
        "outcome": _outcome(run),
    }


def _named(run: "RunRecord") -> str:
    models = " and ".join(run.named("activations/"))
    return f"{run.run_id}: {run.flow} of {models} on {_data(run)}, {run.started:%Y-%m-%d %H:%M} UTC"


def _data(run: "RunRecord") -> str:
    section = run.config.get("dataset", {})
    return " ".join([str(section.get("name", "")), *([Path(section["path"]).name] if section.get("path") else [])])


def _changes(run: "RunRecord", before: "RunRecord") -> "Sequence[str]":
    now, then = ({name: part for name, part in one.config.items() if name not in _IN_COLUMNS} for one in (run, before))
    told = in_short(changed(now, then))
    if run.flow != before.flow:
        told.insert(0, run.flow)
    if told or run.config != before.config:
        return told
    known = {used.fingerprint for used in before.artifacts}
    anew = dict.fromkeys(used.stage for used in run.artifacts if used.fingerprint not in known)
    return [f"code or data of {', '.join(anew)}"] if anew else []


def _outcome(run: "RunRecord") -> str:
    built = sum(used.cached is False for used in run.artifacts)
    if run.state != "completed":
        return f"{run.state}, {built} built"
    return f"completed in {duration(run.seconds)}, {built} built" if built else "completed, all cached"


def _cells(effect: "Effect") -> tuple[str, ...]:
    e = effect
    interval = f"[{e.low:+.3f}, {e.high:+.3f}]"
    scores = (f"{e.a:.3f}", f"{e.b:.3f}", f"{e.delta:+.3f}", interval, f"{e.q:.3g}")
    return (e.model, e.system, e.task_id, str(e.k), str(e.n_queries), *scores)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _say(*lines: str) -> None:
    for line in lines:
        out.print(line, markup=False, highlight=False)
