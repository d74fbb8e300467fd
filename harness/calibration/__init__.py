"""How wrong the load generator is here: driven against a server that logs the truth itself."""
