"""What an administrator does where the gateway runs."""
