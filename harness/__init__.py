"""The experiment, from provision to final reads, and the judgement over what it left."""
