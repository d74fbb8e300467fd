"""The approver's work: the decision to pay a checked request."""

from __future__ import annotations

from collections.abc import Generator

from scenarios.journeys.forms import Approval, DisbursementRequest
from scenarios.journeys.person import Person
from scenarios.journeys.vocabulary import Reply, Step


class Approver(Person):
    """Answers for the money; is never the one who prepared the request."""

    __slots__ = ()

    def approve(self, document: int, bill: DisbursementRequest) -> Step:
        """Approve the request."""
        form = Approval(document=document, request=bill)
        return self.hand_in("approve_disbursement_request", form, document=document)

    def decide(self, document: int, bill: DisbursementRequest) -> Generator[Step, Reply, Reply]:
        """Find the request in the worklist, read it, approve it, see that it says so."""
        yield self.view_worklist()
        yield self.view_document(document)
        approval = yield self.approve(document, bill)
        if approval.is_ok:
            yield self.view_document(document)
        return approval
