"""What is measured, each as a ratio to a baseline of the same run; in the environment that every command makes."""

from flows import environment

# Before torch is imported: its threads read what they are to do while they wait.
environment.prepare()
