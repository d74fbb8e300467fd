"""The load engine: the only part of the scenarios that waits, sends and records."""
