"""The checker's work: a second pair of eyes on a clerk's request to pay."""

from __future__ import annotations

from collections.abc import Generator

from scenarios.journeys.forms import Check, DisbursementRequest
from scenarios.journeys.person import Person
from scenarios.journeys.vocabulary import Reply, Step


class Checker(Person):
    """Compares the request with its papers; is never the one who prepared it."""

    __slots__ = ()

    def check(self, document: int, bill: DisbursementRequest) -> Step:
        """Mark the request as checked."""
        form = Check(document=document, request=bill)
        return self.hand_in("check_disbursement_request", form, document=document)

    def examine(self, document: int, bill: DisbursementRequest) -> Generator[Step, Reply, Reply]:
        """Find the request in the worklist, read it, see that there is budget, check it."""
        yield self.view_worklist()
        yield self.view_document(document)
        yield self.view_budget()
        return (yield self.check(document, bill))
