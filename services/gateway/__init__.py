"""The gateway: asks many nodes one question, and keeps and reads nothing of what they answer."""
