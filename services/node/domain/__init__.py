"""What a node decides and how it answers; pure, and told everything it needs."""
