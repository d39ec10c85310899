"""Great Expectations suites, one YAML file a table."""
