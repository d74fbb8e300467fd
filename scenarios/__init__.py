"""The load that was foreseen: who does what, when. Pure, but for engine and locustfiles."""
