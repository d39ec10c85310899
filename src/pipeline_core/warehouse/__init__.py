"""The DuckDB warehouse: built from the store, queried by users."""
