"""Seeded defects, off by default: each proves that the harness finds what it claims to find."""
