"""Settings of one process, read once from the environment; a wrong one stops the start.

Time limits are layers, each shorter than the one around it, so that the innermost speaks first:
client 10 s > service deadline 5 s > wait for a connection 1 s, command 3 s > lock 1 s.
Source of the layers: facts/chaos.md 5.2.11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reference_app.problems import BadSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one worker process knows about its place. Sizes are per process."""

    database_url: str
    host: str = "127.0.0.1"
    port: int = 8080
    provider_url: str = ""
    bank_url: str = ""
    client_id: str = "ledger"
    client_secret: str = ""
    session_key: bytes = b""
    pid_key: bytes = b""
    worker_name: str = "worker-1"
    defects: str = ""
    session_lifetime_s: int = 12 * 3600
    read_connections: int = 4
    posting_lanes: int = 2
    batch_size_max: int = 100
    in_flight_max: int = 512
    in_flight_per_unit_max: int = 64
    standing_max: int = 128
    standing_s: float = 5.0
    deadline_s: float = 5.0
    acquire_timeout_s: float = 1.0
    command_timeout_s: float = 3.0
    lock_timeout_ms: int = 1000
    drain_s: float = 10.0


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read `LEDGER_*`. Raises `BadSettings` in one line for a missing, unknown or wrong one."""
    names = {f"LEDGER_{name.upper()}": name for name in Settings.__dataclass_fields__}
    unknown = sorted(n for n in environment if n.startswith("LEDGER_") and n not in names)
    if unknown:
        raise BadSettings(f"environment: unknown {', '.join(unknown)}; known: {', '.join(names)}")
    for needed in ("LEDGER_DATABASE_URL", "LEDGER_SESSION_KEY", "LEDGER_PID_KEY"):
        if not environment.get(needed):
            raise BadSettings(f"environment: {needed} is not set; set it before the start")
    values: dict[str, Any] = {
        name: _convert(variable, name, environment[variable])
        for variable, name in names.items()
        if variable in environment
    }
    settings = Settings(**values)
    if len(settings.session_key) < 32 or len(settings.pid_key) < 32:
        raise BadSettings("environment: LEDGER_SESSION_KEY and LEDGER_PID_KEY need 32 bytes of hex")
    return settings


def _convert(variable: str, name: str, text: str) -> object:
    kind = str(Settings.__dataclass_fields__[name].type)
    try:
        if kind == "bytes":
            return bytes.fromhex(text)
        number = {"int": int, "float": float}.get(kind)
        value = number(text) if number else text
    except ValueError:
        shown = "(not shown)" if kind == "bytes" else repr(text)
        wanted = {"bytes": "hexadecimal digits", "int": "a whole number"}.get(kind, "a number")
        raise BadSettings(f"environment: {variable} is {shown}; give {wanted}") from None
    if not isinstance(value, str) and not 0 <= value < float("inf"):
        raise BadSettings(f"environment: {variable} is {text!r}; give a number from 0 up")
    return value
