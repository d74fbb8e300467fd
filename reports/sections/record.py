"""How to repeat the run, and on what it ran: commands, hashes, versions, machine, target."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from contracts.terms import Bilingual
from reports.formats import FIXED_SPACE, count, day, decimal, moment, shown
from reports.names import DEMANDS, fact_name, level_name, scenario_name
from reports.sources import Sources
from reports.wording import same, say

ENTRIES_SHOWN: Final = 60
PROCESSES_SHOWN: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a list of facts; `is_code` for hashes and identifiers."""

    label: Bilingual
    value: Bilingual
    is_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSection:
    """What the last two sections show."""

    command: str
    rejudge: str
    repeat: tuple[Entry, ...]
    contract_differs: bool
    machine: tuple[Entry, ...]
    fingerprint: tuple[Entry, ...]
    versions: tuple[Entry, ...]
    process_columns: tuple[str, ...]
    processes: tuple[tuple[str, ...], ...]


def record_section(sources: Sources) -> RecordSection:
    """Return what is needed to repeat the run and to know on what it ran."""
    manifest = sources.manifest
    columns = tuple(dict.fromkeys(
        key for process in manifest.load_processes[:PROCESSES_SHOWN] for key in process
    ))[:8]  # fmt: skip
    return RecordSection(
        command=shown(command_line(manifest.command), 4_000),
        rejudge=f"monthend judge {shown(shlex.quote(f'runs/{manifest.run_id}'), 200)}",
        repeat=_repeat(sources),
        contract_differs=(
            sources.contract is not None and sources.contract.sha256 != manifest.contract_sha256
        ),
        machine=_entries(manifest.machine),
        fingerprint=_entries(manifest.fingerprint),
        versions=_entries(manifest.versions),
        process_columns=tuple(shown(column, 40) for column in columns),
        processes=tuple(
            tuple(_value(process.get(column, "")) for column in columns)
            for process in manifest.load_processes[:PROCESSES_SHOWN]
        ),
    )


def command_line(command: tuple[str, ...]) -> str:
    """Return the command as it is typed; a manifest that holds only the options gets its name."""
    is_whole = bool(command) and command[0].rpartition("/")[2] == "monthend"
    return shlex.join(command if is_whole else ("monthend", *command))


def _repeat(sources: Sources) -> tuple[Entry, ...]:
    manifest = sources.manifest
    planned = say(
        "planned_value",
        sessions=count(manifest.planned_sessions),
        requests=count(manifest.planned_requests),
    )
    population = say(
        "population_composition",
        units=count(manifest.population_units),
        accounts=count(manifest.population_accounts),
        composition=shown(manifest.composition, 20),
    )
    if manifest.is_own_load:
        return (
            Entry(label=say("date"), value=moment(manifest.created_at)),
            Entry(label=say("seed"), value=same(manifest.seed), is_code=True),
            *_entries(manifest.load_source),
            Entry(label=say("planned_label"), value=planned),
            Entry(label=say("sha_contract"), value=same(manifest.contract_sha256), is_code=True),
            Entry(label=say("sha_plan"), value=same(manifest.plan_sha256), is_code=True),
        )
    return (
        Entry(label=say("date"), value=moment(manifest.created_at)),
        Entry(label=say("seed"), value=same(manifest.seed), is_code=True),
        Entry(label=say("scenario"), value=scenario_name(manifest.scenario)),
        Entry(label=say("level"), value=level_name(manifest.level)),
        Entry(label=say("retries"), value=_retries(manifest.retries)),
        Entry(label=say("demand"), value=DEMANDS.get(manifest.demand, same(manifest.demand))),
        Entry(label=say("population"), value=population),
        Entry(label=say("planned_label"), value=planned),
        Entry(label=say("business_date"), value=day(manifest.business_date)),
        Entry(label=say("workers"), value=same(manifest.workers)),
        Entry(label=say("think_scale"), value=same(decimal(manifest.think_scale))),
        Entry(label=say("sha_contract"), value=same(manifest.contract_sha256), is_code=True),
        Entry(label=say("sha_population"), value=same(manifest.population_sha256), is_code=True),
        Entry(label=say("sha_plan"), value=same(manifest.plan_sha256), is_code=True),
    )


def _retries(chosen: str) -> Bilingual:
    known = {
        "": say("retries_own"), "budget": say("retries_budget"), "storm": say("retries_storm"),
    }  # fmt: skip
    return known.get(chosen, same(chosen))


def _entries(facts: Mapping[str, str | int | float]) -> tuple[Entry, ...]:
    return tuple(
        Entry(label=fact_name(key), value=_fact(key, value))
        for key, value in list(facts.items())[:ENTRIES_SHOWN]
    )


def _fact(key: str, value: str | int | float) -> Bilingual:
    if value == "":
        return say("faults_none")
    if key.endswith("_bytes") and isinstance(value, int) and 0 <= value < 1 << 60:
        return same(f"{decimal(value / 2**30)}{FIXED_SPACE}GiB")
    return same(_value(value))


def _value(value: str | int | float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return count(value) if abs(value) < 10**15 else str(value)[:40]
    if isinstance(value, float):
        return decimal(value, 4)
    return shown(value, 300)
