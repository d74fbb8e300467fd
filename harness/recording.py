"""A run folder from nothing to sealed: made, filled by one experiment, and kept or taken away."""

from __future__ import annotations

import datetime
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness.calibration.store import last_calibration
from harness.disk import check_room, database_bytes, run_bytes
from harness.experiment import Scene
from harness.failures import BadSetup, BrokenExperiment
from harness.interrupts import listening
from harness.machine import this_machine
from harness.options import Options
from harness.preparation import Preparation, prepare
from harness.progress import Display
from harness.run_folder import RunFolder
from harness.sealing import seal


def record(options: Options, display: Display, experiment: Callable[[Scene], None]) -> RunFolder:
    """Carry out *experiment* as *options* say and seal what it recorded. Raises `BadSetup`."""
    with listening() as interrupts:
        preparation = prepare(options)
        for name in preparation.faults_left_out:
            display.warn(f"{name} is left out: the run is too short to tell its effect")
        _, unusable = last_calibration(options.out, this_machine())
        if unusable:
            display.warn(unusable)
        folder = _make_run_folder(options, preparation)
        scene = Scene(
            options=options,
            preparation=preparation,
            folder=folder,
            display=display,
            interrupts=interrupts,
        )
        _carry_out(scene, experiment)
        if not folder.manifest.exists():
            raise KeyboardInterrupt
        display.step("sealing what was recorded")
        seal(folder)
    return folder


def _carry_out(scene: Scene, experiment: Callable[[Scene], None]) -> None:
    """Run the experiment; a run that sent no request leaves no folder behind."""
    folder = scene.folder
    try:
        experiment(scene)
    except BaseException as error:
        if not folder.manifest.exists():
            shutil.rmtree(folder.path, ignore_errors=True)
            if isinstance(error, BrokenExperiment):  # no load was sent: the set-up is bad
                raise BadSetup(what=error.what, where=error.where, mend=error.mend) from error
            raise
        if not isinstance(error, (KeyboardInterrupt, BrokenExperiment)):
            raise
        # From the first request on, what was recorded is judged, whatever came in between.
        scene.display.warn(f"the run ended early: {error or type(error).__name__}")


def _make_run_folder(options: Options, preparation: Preparation) -> RunFolder:
    now = datetime.datetime.now(datetime.UTC)
    name = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    folder = RunFolder(options.out / name)
    folder.create()
    try:
        months = options.history_months
        check_room(
            options.out,
            run_bytes(preparation, months),
            mend="make room, or name another --out DIR",
        )
        if options.is_embedded:
            temporary = Path(tempfile.gettempdir())
            check_room(
                temporary,
                database_bytes(preparation, months),
                mend="make room, or set TMPDIR elsewhere",
            )
        folder.contract.write_bytes(preparation.contract_bytes)
    except BadSetup:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    except OSError as error:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise BadSetup(
            what=f"the run folder cannot be written: {error.strerror}",
            where=str(folder.path),
            mend="name a place with room and permission with --out DIR",
        ) from error
    return folder
