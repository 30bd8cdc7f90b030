"""What every service runs on, tested alone."""
