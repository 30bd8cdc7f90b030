"""What apps and services both mean by an audit log: entries, checkpoints and their witnesses."""
