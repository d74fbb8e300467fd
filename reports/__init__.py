"""Pages for the three readers of a run: committee, vendor, engineer."""
