"""Organizations far from each other: a slow network that loses packets, on one machine."""
