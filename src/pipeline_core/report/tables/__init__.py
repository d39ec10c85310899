"""The report's tables: rows of SQL answers put into cells that a person reads and copies."""

from pipeline_core.report.tables.listing import analysis_tables, paper_tables
from pipeline_core.report.tables.table import Cell, Heading, ReportTable

__all__ = ["Cell", "Heading", "ReportTable", "analysis_tables", "paper_tables"]
