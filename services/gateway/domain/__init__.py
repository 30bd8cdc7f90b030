"""The gateway's rules: whom to ask, how much, and what to say of each answer and each silence."""
