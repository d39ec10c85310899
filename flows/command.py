"""Where the command ``lens`` begins: it can be stopped in one line from here on, while its libraries load."""

from flows.stopping import end_when_asked


def main() -> None:
    """Run the command, to the process's end."""
    end_when_asked()
    from flows.cli import main as run_command  # noqa: PLC0415 - loading takes a while

    run_command()
