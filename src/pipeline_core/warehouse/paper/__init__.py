"""What the paper printed: its tables and figures as reference data."""
