"""The gateway's rules, tested alone: no network, and time that only the test moves."""
