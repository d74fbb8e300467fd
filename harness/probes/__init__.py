"""What reads the target from outside while it works."""
