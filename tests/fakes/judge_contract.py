"""A contract with one clause of every kind, as a value, for tests of the judge."""

from __future__ import annotations

from typing import Any

from contracts.terms import Bilingual, Clause, Contract, Limit, Quantity, Unit, Workload

SHA = "c" * 64


def contract(**changes: Any) -> Contract:
    """Return a contract with one clause of each kind; ids name the quantity and selector."""
    zero = Limit(unit=Unit.COUNT, at_most=0)
    clauses = [
        clause("latency-read", Quantity.LATENCY, Limit(unit=Unit.MS, at_most=1000), "read",
               percentile=95.0),
        clause("latency-post", Quantity.LATENCY, Limit(unit=Unit.S, at_most=5), "post",
               percentile=99.0),
        clause("errors", Quantity.ERROR_SHARE, Limit(unit=Unit.SHARE, at_most=0.01)),
        clause("carried", Quantity.CARRIED_SHARE, Limit(unit=Unit.SHARE, at_least=0.99)),
        clause("participation", Quantity.PARTICIPATION, Limit(unit=Unit.SHARE, at_least=1.0)),
        clause("fairness", Quantity.FAIRNESS, Limit(unit=Unit.RATIO, at_most=3), "",
               unnoticed_below_ms=300.0, worst_share=0.01, samples_per_unit_min=3.0),
        clause("recovery", Quantity.RECOVERY, Limit(unit=Unit.S, at_most=20), "worker_kill"),
        clause("idle", Quantity.IDLE_SATURATION, zero),
        clause("import", Quantity.IMPORT_RATE, Limit(unit=Unit.PER_S, at_least=0.1)),
        clause("loss", Quantity.ACKNOWLEDGED_LOSS, zero),
        clause("shed", Quantity.SHED_HONESTY, zero),
        clause("export", Quantity.EXPORT_COMPLETE, Limit(unit=Unit.SHARE, at_least=1.0)),
        clause("provenance", Quantity.PROVENANCE, zero),
        clause("availability", Quantity.AVAILABILITY, Limit(unit=Unit.SHARE, at_least=0.995)),
        *(clause(f"I{n}", Quantity.INVARIANT, zero, f"I{n}") for n in range(1, 12)),
    ]  # fmt: skip
    content: dict[str, Any] = {
        "id": "fake", "version": "1", "title": Bilingual(th="สัญญา", en="contract"), "parties": (),
        "workload": Workload(composition="A", demand="base", calendar_profile="month_end", units=8),
        "clauses": tuple(clauses), "sha256": SHA,
    }  # fmt: skip
    return Contract(**(content | changes))


def money_contract() -> Contract:
    """Return the clauses of `contract()` that ask for nothing but the history and the books."""
    about_money = (Quantity.INVARIANT, Quantity.ACKNOWLEDGED_LOSS, Quantity.SHED_HONESTY)
    return contract(clauses=tuple(one for one in contract().clauses if one.quantity in about_money))


def clause(
    clause_id: str, quantity: Quantity, limit: Limit, selector: str = "", **parameters: float
) -> Clause:
    """Return one clause that applies at L2."""
    return Clause(
        id=clause_id, title=Bilingual(th=clause_id, en=clause_id),
        text=Bilingual(th=clause_id, en=clause_id), quantity=quantity, selector=selector,
        parameters=tuple(parameters.items()), levels=("L2",), limit=limit, samples_min=1,
        source="test",
    )  # fmt: skip
