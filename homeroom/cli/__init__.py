"""The `homeroom` command: one file for each noun, or for each verb that has none."""
