"""The application: pages on the warehouse, the index and the store, served on this machine."""
