"""Settings that every entry point makes before Prefect is imported: no telemetry, no prompts, patience at start."""

import logging
import os
from pathlib import Path

from tasks.events import JsonLines, lines_asked, write_as_asked

SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "GX_ANALYTICS_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    # Libraries draw bars of their own over ours.
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    # Idle OpenMP threads that spin take the cores from the stage that runs next.
    "OMP_WAIT_POLICY": "passive",
    # Large tensors lie in huge pages: an autoencoder's gradients are given back and asked for at every step.
    "THP_MEM_ALLOC_ENABLE": "1",
}
STORE = "LENS_STORE"
_LINES = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER": "json",
    "PREFECT_LOGGING_FORMATTERS_JSON_CLASS": f"{JsonLines.__module__}.{JsonLines.__qualname__}",
    "PREFECT_LOGGING_FORMATTERS_JSON_FORMAT": "%(message)s",
    "PREFECT_LOGGING_COLORS": "false",
}
"""What has every process of Prefect's log lines of JSON, from its start."""


def settings() -> dict[str, str]:
    """Return what every process sees; how it logs is as LENS_LOG asks."""
    return SETTINGS | (_LINES if lines_asked() else {})


def prepare() -> None:
    """Set what is not set already."""
    for name, value in settings().items():
        os.environ.setdefault(name, value)
    write_as_asked()
    # Its own variable for this would set the level of every logger, ours too.
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    # It warns of a home that it cannot write to, and does without.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def default_store() -> Path:
    """Return the store: the folder named by LENS_STORE, or ``store`` below the working folder."""
    return Path(os.environ.get(STORE, "store"))
