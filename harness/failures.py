"""The exception family of the harness: bad set-up, before any load; and a broken experiment.

A broken promise is never an exception: it is a verdict on a clause.

    MonthendError
    |-- BadSetup            wrong input, missing piece: exit status 3, no load was sent
    `-- BrokenExperiment    the run cannot go on: what was recorded is kept, exit status 2
"""

from __future__ import annotations


class MonthendError(Exception):
    """One line for a human: what is wrong, where, and how to mend it."""

    def __init__(self, *, what: str, where: str, mend: str) -> None:
        super().__init__(what, where, mend)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.mend}"


class BadSetup(MonthendError):
    """Found before any load was sent: nothing was measured and nothing was changed."""


class BrokenExperiment(MonthendError):
    """Found while the load was on: the run stops, keeps what it has and is INCONCLUSIVE."""
