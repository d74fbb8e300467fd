"""A target that somebody else runs: the vendor's system, known by its URL alone (tier T0).

Nothing is provisioned, filled, stopped or broken here. Before any load it must answer as a system
of the chosen kind; a dead address, a wrong one and a wrong system are told apart in one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.failures import BadSetup
from harness.targets.asking import NoAnswer, ask, normal_url

HEALTH_LIMIT_S: Final = 5.0
HEALTH_PATH: Final = "/healthz"
VERSION_PATH: Final = "/version"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTarget:
    """Keeps the `Target` protocol with everything that T0 cannot do left out."""

    url: str
    sessions_csv: Path | None = None
    health_path: str = HEALTH_PATH
    version_path: str = VERSION_PATH
    kind: str = "remote"
    access_tier: str = "T0"
    database_dsn: None = None
    database: None = None
    provider_url: str = ""
    worker_count: int = 0

    @property
    def base_url(self) -> str:
        """The same as `url`."""
        return self.url

    def processes(self, role: str) -> tuple[int, ...]:
        """Return nothing: its processes run elsewhere."""
        return ()

    def kill_worker(self, pid: int) -> None:
        """Refuse: its processes run elsewhere."""
        raise BadSetup(
            what="its processes cannot be reached",
            where=self.url,
            mend="leave --faults at none for a target that is named by a URL",
        )

    def check_alive(self) -> None:
        """Two questions, bounded. Raises `BadSetup` naming what answered instead."""
        health = _answer(self.url, self.health_path)
        if health != 200:
            raise BadSetup(
                what=f"GET {self.health_path} answered {health}, not 200",
                where=self.url,
                mend="see whether this is the ledger's address and whether the ledger is well",
            )
        if self.version_path and not self.fingerprint():
            raise BadSetup(
                what=f"GET {self.version_path} gives no JSON object with a `name`: another system",
                where=self.url,
                mend="name the ledger's own address, or its kind with --dialect",
            )

    def fingerprint(self) -> Mapping[str, str]:
        """Return what it says of itself, empty when it says nothing that can be read."""
        return read_fingerprint(self.url, self.version_path) if self.version_path else {}

    def lost_because(self) -> str:
        """Return nothing: only its answers tell, and those are samples."""
        return ""

    def stop(self) -> None:
        """Nothing was started, so nothing is stopped."""


def remote_target(
    url: str,
    *,
    sessions_csv: Path | None,
    health_path: str = HEALTH_PATH,
    version_path: str = VERSION_PATH,
) -> RemoteTarget:
    """Check *url*'s form and the sessions file. Raises `BadSetup`. Sends nothing."""
    if sessions_csv is not None and not sessions_csv.is_file():
        raise BadSetup(
            what="there is no such file",
            where=f"--sessions {sessions_csv}",
            mend="name a file with the columns account,token",
        )
    return RemoteTarget(
        url=normal_url(url),
        sessions_csv=sessions_csv,
        health_path=health_path,
        version_path=version_path,
    )


def read_fingerprint(url: str, path: str = VERSION_PATH) -> Mapping[str, str]:
    """Return *path* as text by text, empty when it is not a JSON object with a `name`."""
    try:
        content = ask(url, path, timeout_s=HEALTH_LIMIT_S).json_object()
    except NoAnswer:
        return {}
    if content is None or not content.get("name"):
        return {}
    return {key: _as_text(value) for key, value in content.items()}


def _as_text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return str(value)


def _answer(url: str, path: str) -> int:
    try:
        return ask(url, path, timeout_s=HEALTH_LIMIT_S).status
    except NoAnswer as error:
        raise BadSetup(
            what=str(error),
            where=url,
            mend="start the target, or correct the address",
        ) from error
