"""The reference ledger: an island that the harness meets only as it meets a vendor's system."""
