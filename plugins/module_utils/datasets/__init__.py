"""Data sets on the host: choose a subset, cut annotations, validate, put in place. Standard library only."""
