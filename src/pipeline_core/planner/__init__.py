"""Plans: every step and key of a run, derived from the stages before anything runs, and how one step is carried out."""
