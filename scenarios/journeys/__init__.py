"""What one person does in one session, one file per role; pure generators of operations."""
