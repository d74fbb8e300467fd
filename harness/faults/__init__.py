"""What is broken on purpose: one file per fault, each with inject and heal."""
