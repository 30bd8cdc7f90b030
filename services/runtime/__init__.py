"""What every service runs on; it knows no service by name."""
