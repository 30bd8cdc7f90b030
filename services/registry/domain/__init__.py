"""The registry's rules: how organizations register, and how agreements begin and end."""
