"""Tools of the project: what the verbs of the Makefile run."""
