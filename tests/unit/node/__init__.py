"""The node's own rules, tested alone: no network, no database, and the test's own clock."""
