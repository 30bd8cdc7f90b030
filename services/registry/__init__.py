"""The registry: who the organizations of a federation are, and what they have agreed to."""
