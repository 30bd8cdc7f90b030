"""Homeroom: records stay home; permitted answers travel."""
