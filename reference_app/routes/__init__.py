"""HTTP routes of the ledger, one file per group of operations."""
