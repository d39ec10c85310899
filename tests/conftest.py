"""What every test shares: quiet environment before any library is imported, and small artifacts of the schema."""

from flows import environment

environment.prepare()
