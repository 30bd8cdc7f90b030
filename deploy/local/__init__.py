"""A whole federation on one machine, with synthetic students."""
