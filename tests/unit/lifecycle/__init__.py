"""Tests of an agreement's life, and the walk that they share."""
