"""What was promised: contracts, the words they use, and the records that cross between folders."""
