"""The node's verbs that are many enough for a module of their own."""
