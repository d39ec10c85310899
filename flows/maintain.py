"""Care of the store: verify every file, list or remove what no recent run uses, rebuild the warehouse."""

from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from flows import environment
from pipeline_core.errors import StoreError
from pipeline_core.store.artifacts import Store, with_models
from pipeline_core.store.journal import used_artifacts
from pipeline_core.warehouse.build import build_warehouse


@task(name="verify", cache_policy=NO_CACHE, persist_result=False)
def verify(root: Path) -> int:
    """Check every file of the store and of reference models in the user's cache; return the number of problems."""
    problems = [problem for store in with_models(root) for problem in store.verify()]
    if problems:
        rows = [{"artifact": p.artifact, "file": p.file, "problem": p.what} for p in problems]
        create_table_artifact(rows, key="store-problems", description="What lens verify found")
    return len(problems)


@task(name="prune", cache_policy=NO_CACHE, persist_result=False)
def prune(root: Path, keep_runs: int, dry_run: bool) -> int:
    """Remove (or only list) artifacts that the newest completed runs do not use; return how many."""
    doomed = Store(root).prune(lambda: used_artifacts(root, keep_runs), dry_run)
    rows = [{"artifact": f"{folder.parent.name}/{folder.name}", "removed": not dry_run} for folder in doomed]
    if rows:
        create_table_artifact(
            rows, key="store-pruned", description=f"Not used by the newest {keep_runs} completed runs"
        )
    return len(doomed)


@task(name="warehouse", cache_policy=NO_CACHE, persist_result=False)
def publish_warehouse(root: Path) -> str:
    """Build the warehouse anew from the store and the journal; return the file's name."""
    return build_warehouse(root).name


@flow(name="maintain", log_prints=False)
def maintain(store: str | None = None, keep_runs: int = 10, dry_run: bool = True) -> None:
    """Verify, prune, publish.

    Args:
        store: the store's folder; by default LENS_STORE, or ``store`` below the working folder.
        keep_runs: artifacts of this many newest completed runs are kept.
        dry_run: only list what would be removed.

    Raises:
        StoreError: a file of the store, or of reference models, is missing or altered.
    """
    root = Store(Path(store) if store else environment.default_store()).root
    problems = verify(root)
    doomed = prune(root, keep_runs, dry_run)
    file = publish_warehouse(root)
    get_run_logger().info("%d problems, %d artifacts beyond the newest %d runs, %s", problems, doomed, keep_runs, file)
    if problems:
        raise StoreError(
            f"{problems} files of {root} or of reference models are missing or altered",
            "run lens verify --repair, then lens run",
        )
