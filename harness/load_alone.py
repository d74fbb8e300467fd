"""The load alone, on this machine or over others: no target of ours, no probes, no judge.

    load_alone        the experiment: begin, watch, conclude
    work_for_master   become a worker of a master elsewhere

Leaves a run folder like every run's, so that it can be judged later as far as its evidence goes.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.distributed_load import Mastership, start_master
from harness.experiment import Scene, begin_load, conclude, watch
from harness.failures import BadSetup
from harness.load import LOCUSTFILE, start_load
from harness.manifests import first_manifest
from harness.processes import PROJECT_ROOT
from harness.targets.asking import NoAnswer, ask
from harness.targets.remote import RemoteTarget, remote_target

TARGET_LIMIT_S: Final = 5.0
MASTER_POLL_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Apprenticeship:
    """What a worker is told: where its master is, and where its own files lie."""

    host: str
    port: int
    out: Path
    sessions: Path | None
    wait_s: float


def load_alone(scene: Scene, *, mastership: Mastership | None = None) -> None:
    """Carry out the load into the scene's folder. Raises `BadSetup` before any load."""
    options, plan = scene.options, scene.preparation.plan
    target = remote_target(options.target, sessions_csv=options.sessions)
    _check_there(target)
    with ExitStack() as stack:
        if mastership is None:
            load = start_load(options, scene.preparation, target, scene.folder)
        else:
            scene.display.step(
                f"master on port {mastership.port}: waiting for {mastership.expect_workers} "
                f"worker(s), at most {mastership.wait_s:g} s"
            )
            load = start_master(options, scene.preparation, target, scene.folder, mastership)
        stack.callback(load.stop)
        load.await_ready(plan)
        manifest = first_manifest(options, scene.preparation, target, scene.folder.path)
        with scene.interrupts.gently():
            manifest = begin_load(scene, load, manifest)
            ending = watch(scene, target, load)
            load.stop()
            conclude(manifest, load, ending, scene.folder)


def _check_there(target: RemoteTarget) -> None:
    """Ask for nothing in particular: any answer of any system will do."""
    try:
        ask(target.url, "/", timeout_s=TARGET_LIMIT_S)
    except NoAnswer as error:
        raise BadSetup(
            what=str(error), where=target.url, mend="start the target, or correct the address"
        ) from error


def work_for_master(apprenticeship: Apprenticeship) -> int:
    """Become a worker as soon as the master listens. Returns only by raising `BadSetup`."""
    _await_master(apprenticeship)
    sessions = apprenticeship.sessions
    if sessions is not None and not sessions.is_file():
        raise BadSetup(
            what="there is no such file",
            where=f"--sessions {sessions}",
            mend="name a file with the columns account,token",
        )
    command = [
        sys.executable, "-m", "locust", "-f", str(PROJECT_ROOT / LOCUSTFILE), "--worker",
        "--master-host", apprenticeship.host, "--master-port", str(apprenticeship.port),
        "--monthend-out", str(apprenticeship.out.resolve()),
        *(("--monthend-sessions", str(sessions.resolve())) if sessions else ()),
    ]  # fmt: skip
    sys.stdout.flush()
    os.execv(command[0], command)  # signals and the exit status are then the worker's own


def _await_master(apprenticeship: Apprenticeship) -> None:
    limit = time.monotonic() + apprenticeship.wait_s
    while True:
        try:
            address = (apprenticeship.host, apprenticeship.port)
            socket.create_connection(address, timeout=TARGET_LIMIT_S).close()
            return
        except OSError as error:
            if time.monotonic() > limit:
                raise BadSetup(
                    what=f"no master there after {apprenticeship.wait_s:g} s: "
                    f"{error.strerror or error}",
                    where=f"--master-host {apprenticeship.host} "
                    f"--master-port {apprenticeship.port}",
                    mend="start `monthend load --master` there, or correct the address",
                ) from error
        time.sleep(MASTER_POLL_S)
