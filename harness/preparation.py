"""What is known before anything is started: the contract, the units, the plan, the faults' names.

Everything that can be wrong without a target is found here, in seconds. Starts nothing and writes
nothing.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.reading import ContractError, read_contract
from contracts.terms import Contract
from harness.closed_plan import ClosedPlan
from harness.failures import BadSetup
from harness.faults.catalogue import FAULTS, parse_fault_names
from harness.options import Options
from harness.own_load import NO_POPULATION, OwnLoad, prepare_own_load
from scenarios.arrivals import LoadPlan, plan_load
from scenarios.dialects import BadDialect, load_dialect
from scenarios.dialects.interface import Dialect
from scenarios.levels import LEVELS
from scenarios.population import Composition, Population, accounts_of, build_population
from scenarios.scenario import SCENARIOS, Scenario
from scenarios.spoken import LeftOut, left_out, spoken_part
from scenarios.workload_plan import WorkloadPlan

FAULTS_PHASE: Final = "faults"
SIGN_IN: Final = "start_login"
AnyPlan = LoadPlan | WorkloadPlan | ClosedPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """The experiment on paper. `faults_left_out` would not have fitted into the time; `left_out` is
    what the dialect cannot speak, and `plan` is without it.
    """

    contract: Contract
    contract_bytes: bytes
    dialect: Dialect
    population: Population
    plan: AnyPlan
    scenario: Scenario
    fault_names: tuple[str, ...]
    faults_left_out: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    own_load: OwnLoad | None = None


def prepare(options: Options) -> Preparation:
    """Read the contract, draw the units and the plan. Raises `BadSetup`."""
    contract, contract_bytes = _read_contract(options)
    if options.is_own_load:
        own = prepare_own_load(options)
        return Preparation(
            contract=contract,
            contract_bytes=contract_bytes,
            dialect=own.dialect,
            population=NO_POPULATION,
            plan=own.plan,
            scenario=SCENARIOS[options.scenario],
            fault_names=(),
            faults_left_out=(),
            left_out=(),
            own_load=own,
        )
    workload = contract.workload
    if workload.composition not in list(Composition):
        raise BadSetup(
            what=f"there is no composition {workload.composition!r}",
            where=f"{options.contract}: workload.composition",
            mend=f"write one of {', '.join(Composition)}",
        )
    population = build_population(composition=workload.composition, scale=options.scale)
    dialect = read_dialect(options.dialect)
    if SIGN_IN not in dialect.operations:
        _check_signed_in(options, population)
    plan, fault_names, faults_left_out = _plan_with_faults(options, population, workload.demand)
    return Preparation(
        contract=contract,
        contract_bytes=contract_bytes,
        dialect=dialect,
        population=population,
        plan=_spoken(plan, dialect, options),
        scenario=SCENARIOS[options.scenario],
        fault_names=fault_names,
        faults_left_out=faults_left_out,
        left_out=left_out(plan, dialect.operations),
    )


def _read_contract(options: Options) -> tuple[Contract, bytes]:
    try:
        content = options.contract.read_bytes()
    except OSError as error:
        raise BadSetup(
            what=f"the contract cannot be read: {error.strerror}",
            where=f"--contract {options.contract}",
            mend="name a contract file, such as contracts/new_elaas.yaml",
        ) from error
    try:
        return read_contract(options.contract), content
    except ContractError as error:
        raise BadSetup(
            what=error.what, where=f"{error.file}:{error.line}", mend=error.mend
        ) from error


def read_dialect(name: str) -> Dialect:
    """Return the dialect called *name*. Raises `BadSetup`."""
    try:
        return load_dialect(name)
    except BadDialect as error:
        raise BadSetup(what=error.what, where=f"--dialect {name}", mend=error.mend) from error


def read_tokens(path: Path) -> dict[int, str]:
    """Return account -> token of a sessions file. Raises `BadSetup`."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {int(row["account"]): row["token"] for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise BadSetup(
            what=f"it cannot be read as account,token rows: {error}",
            where=f"--sessions {path}",
            mend="give a CSV file with the header account,token",
        ) from error


def _check_signed_in(options: Options, population: Population) -> None:
    """Refuse people who can never sign in: with a dialect that has no sign-in, all need a token."""
    tokens = {} if options.sessions is None else read_tokens(options.sessions)
    accounts = tuple(account for unit in population.units for account in accounts_of(unit))
    missing = [one.account for one in accounts if not tokens.get(one.account)]
    if missing:
        raise BadSetup(
            what=f"{len(missing):,} of {len(accounts):,} people have no token (the first: account "
            f"{missing[0]}), and dialect {options.dialect} has no {SIGN_IN}",
            where=f"--sessions {options.sessions or '(not given)'}",
            mend="give a token for each account, or teach the dialect to sign in",
        )


def _spoken(plan: LoadPlan, dialect: Dialect, options: Options) -> LoadPlan:
    part = spoken_part(plan, dialect.operations)
    if part.sessions == 0 < plan.sessions:
        raise BadSetup(
            what="it lacks an operation of every activity: nothing would be sent",
            where=f"--dialect {options.dialect}",
            mend="see `monthend try-dialect`, and name more operations in it",
        )
    return part


def _plan_with_faults(
    options: Options, population: Population, demand: str
) -> tuple[LoadPlan, tuple[str, ...], tuple[str, ...]]:
    """Plan the load, with the faults asked for or else those that fit into a run this short."""
    wanted = options.faults
    if wanted is None:
        is_broken = options.is_embedded and LEVELS[options.level].has_faults
        wanted = "all" if is_broken else "none"
    names = parse_fault_names(wanted)

    def plan(has_faults: bool) -> LoadPlan:
        return plan_load(
            population,
            level=options.level,
            scenario=options.scenario,
            demand=demand,
            duration_s=options.duration_s,
            seed=options.seed,
            has_faults=has_faults,
        )

    if not names:
        return plan(False), (), ()
    with_faults = plan(True)
    length_s = next(p.length_s for p in with_faults.phases if p.name == FAULTS_PHASE)
    needed_s = [
        sum(FAULTS[name]().slot_s_min for name in names[: n + 1]) for n in range(len(names))
    ]
    fitting = tuple(name for name, end_s in zip(names, needed_s, strict=True) if end_s <= length_s)
    if len(fitting) == len(names):
        return with_faults, names, ()
    if options.faults is not None:
        raise BadSetup(
            what=f"the faults phase lasts {length_s:.0f} s and {len(names)} fault(s) need "
            f"{needed_s[-1]:.0f} s to be told apart",
            where=f"--faults {options.faults}",
            mend="lengthen the run with --duration, or name fewer faults",
        )
    left_out = names[len(fitting) :]
    return (with_faults, fitting, left_out) if fitting else (plan(False), (), left_out)
