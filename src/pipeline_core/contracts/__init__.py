"""Data contracts: read from YAML, judged by Great Expectations before anything is published."""
