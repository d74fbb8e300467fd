"""Readings of the probes: how busy the machine was, and whether a probe lived to its end.

Each fold takes what it can read and says when it could not read enough. A file cut short (no
closing row) is known as such.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.records import READING_COLUMNS
from harness.columns import EvidenceMissing, Int64

CLOSING_ROWS: Final = ("ended", "died")

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCpu:
    """Share of all cores of the machine that were busy, by time.

    `foreign_share` is the part of it that none of the run's own processes used. `steal_share` is
    what the machine under this one took, `throttled_share` the time for which a quota stopped our
    processes; both are not a number where nobody could read them.
    """

    at_ns: Int64
    share: Shares
    foreign_share: Shares
    steal_share: Shares
    throttled_share: Shares


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeEnd:
    """How a probe's file ends. `died_because` is empty for an orderly end."""

    probe: str
    died_because: str


def read_host_cpu(folder: Path) -> HostCpu:
    """Read the host probe's CPU series. Raises `EvidenceMissing`."""
    whole = _read_probe(folder / "host.parquet")
    table = whole.filter((pc.field("subject") == "host") & (pc.field("name") == "cpu_share"))
    at_ns = table["at_ns"].to_numpy().astype(np.int64)
    share = table["value"].to_numpy().astype(np.float64)
    sound = np.isfinite(share) & (share >= 0.0) & (share <= 1.0)
    if not at_ns.size or not sound.all():
        raise EvidenceMissing(
            en="the machine's CPU was not recorded", th="ไม่มีบันทึกการใช้ CPU ของเครื่อง"
        )
    order = np.argsort(at_ns, kind="stable")
    at_ns, share = at_ns[order], share[order]
    own_share = _own_share(whole, at_ns)
    return HostCpu(
        at_ns=at_ns,
        share=share,
        foreign_share=np.maximum(share - own_share, 0.0),
        steal_share=_host_series(whole, "cpu_steal", at_ns),
        throttled_share=_host_series(whole, "cpu_throttled", at_ns),
    )


def _host_series(table: pa.Table, name: str, at_ns: Int64) -> Shares:
    """Return another series of the host at its readings; not a number where it has none."""
    chosen = table.filter((pc.field("subject") == "host") & (pc.field("name") == name))
    values = np.full(at_ns.size, np.nan)
    places = np.searchsorted(at_ns, chosen["at_ns"].to_numpy())
    within = places < at_ns.size
    values[places[within]] = chosen["value"].to_numpy()[within]
    return values


def _own_share(table: pa.Table, at_ns: Int64) -> Shares:
    """Return the share of all cores that the run's own processes used, at the host's readings."""
    count = table.filter(pc.field("name") == "cpu_count")["value"].to_numpy()
    own = np.full(at_ns.size, np.nan)
    roles = table.filter((pc.field("name") == "cpu_share") & (pc.field("unit") == "cores"))
    if not count.size or not count[0] >= 1 or not roles.num_rows or not at_ns.size:
        return own
    places = np.minimum(np.searchsorted(at_ns, roles["at_ns"].to_numpy()), at_ns.size - 1)
    cores = np.bincount(places, weights=roles["value"].to_numpy(), minlength=at_ns.size)
    return np.asarray(cores / float(count[0]), dtype=np.float64)


def read_probe_ends(folder: Path) -> tuple[ProbeEnd, ...]:
    """Say how each probe's file ends; unsealed lines mean that the harness died before sealing."""
    ends = []
    for path in sorted(folder.glob("*.parquet")):
        try:
            table = _read_probe(path)
            last = table.slice(max(0, table.num_rows - 1)).to_pylist()
        except EvidenceMissing as error:
            ends.append(ProbeEnd(probe=path.stem, died_because=error.text.en))
            continue
        if not last or last[0]["name"] not in CLOSING_ROWS:
            ends.append(ProbeEnd(probe=path.stem, died_because="it was cut off"))
        elif last[0]["name"] == "died":
            ends.append(ProbeEnd(probe=path.stem, died_because=str(last[0]["subject"]) or "?"))
        else:
            ends.append(ProbeEnd(probe=path.stem, died_because=""))
    ends += [
        ProbeEnd(probe=path.stem, died_because="it was never sealed")
        for path in sorted(folder.glob("*.jsonl"))
        if not path.stem.startswith("load-")
    ]
    return tuple(ends)


def _read_probe(path: Path) -> pa.Table:
    if not path.exists():
        raise EvidenceMissing(
            en=f"readings/{path.stem} was not recorded", th=f"ไม่มีบันทึก readings/{path.stem}"
        )
    try:
        table = pq.read_table(path)
        lacking = [column for column in READING_COLUMNS if column not in table.column_names]
        sound = not lacking and all(
            [
                pa.types.is_integer(table["at_ns"].type),
                pa.types.is_floating(table["value"].type),
                table["at_ns"].null_count == 0,
                table["value"].null_count == 0,
                *(pa.types.is_string(table[name].type) for name in ("subject", "name", "unit")),
            ]
        )
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path) from error
    if not sound:
        raise _unreadable(path)
    return table


def _unreadable(path: Path) -> EvidenceMissing:
    return EvidenceMissing(
        en=f"readings/{path.stem} cannot be read", th=f"อ่าน readings/{path.stem} ไม่ได้"
    )
