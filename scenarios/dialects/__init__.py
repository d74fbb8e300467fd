"""How operations become HTTP, one file per kind of target; pure."""
