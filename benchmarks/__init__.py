"""Measures what Homeroom promises about speed; each result is one line of JSON."""
