"""Imports mutated files of every format, to find what a file must never do to a node."""
