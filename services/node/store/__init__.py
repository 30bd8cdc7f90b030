"""What a node keeps in its databases."""
