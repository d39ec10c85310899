"""The report: charts, templates, pages."""
