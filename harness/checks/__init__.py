"""One file per kind of clause: from a run folder to a verdict on that clause."""
