"""Rules that name a bottleneck from signals: one file per family, each a pure function."""
