"""The content-addressed store: artifacts, their keys, the journal of runs, what differs between two."""
