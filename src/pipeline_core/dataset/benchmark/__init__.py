"""Benchmarks of any size as tables: rows go through a database on disk, so that no pool is ever held in memory."""

from pathlib import Path

FOLDER = Path(__file__).parent
SQL = (*sorted(FOLDER.glob("*.sql")), *sorted((FOLDER / "tables").glob("*.sql")))
"""What decides the tables beside the code."""
