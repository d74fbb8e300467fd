"""Logs become Parquet whatever became of the process that wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.records import OPERATION_DTYPE, SAMPLE_DTYPE
from harness import sealing
from harness.failures import BrokenExperiment
from harness.run_folder import RunFolder
from harness.sealing import broken_logs, seal

HEADER = {"format_version": 1, "process_index": 0, "operations": [{"name": "a", "kind": "read"}]}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    run.create()
    return run


def records(dtype: np.dtype[Any], count: int) -> np.ndarray[Any, Any]:
    raw = np.random.default_rng(4).integers(0, 256, count * dtype.itemsize, dtype=np.uint8)
    return np.frombuffer(raw.tobytes(), dtype=dtype)


def write_log(path: Path, rows: np.ndarray[Any, Any], header: object = HEADER) -> None:
    path.write_bytes(orjson.dumps(header) + b"\n" + rows.tobytes())


@pytest.mark.parametrize(
    ("place", "dtype"), [("samples", SAMPLE_DTYPE), ("operations", OPERATION_DTYPE)]
)
def test_every_column_of_every_record_survives(
    folder: RunFolder, place: str, dtype: np.dtype[Any]
) -> None:
    rows = records(dtype, 1_000)
    log = folder.path / place / "load-0.log"
    write_log(log, rows)

    (sealed,) = seal(folder)

    table = pq.read_table(log.with_suffix(".parquet"))
    names = [name for name in dtype.names or () if name != "padding"]
    assert table.column_names == names
    for name in names:
        assert table[name].to_numpy().dtype == dtype[name]
        assert np.array_equal(table[name].to_numpy(), rows[name])
    assert orjson.loads(table.schema.metadata[b"header"]) == HEADER
    assert (sealed.record_count, sealed.broken_because) == (1_000, "")
    assert not log.exists()
    assert broken_logs(folder) == ()


def test_records_are_read_in_chunks(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "CHUNK_RECORDS", 7)
    rows = records(SAMPLE_DTYPE, 100)
    write_log(folder.samples / "load-0.log", rows)

    seal(folder)

    table = pq.read_table(folder.samples / "load-0.parquet")
    assert np.array_equal(table["done_ns"].to_numpy(), rows["done_ns"])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(cut=st.integers(1, SAMPLE_DTYPE.itemsize - 1), count=st.integers(0, 5))
def test_a_record_cut_short_is_left_out_and_said(
    tmp_path_factory: pytest.TempPathFactory, cut: int, count: int
) -> None:
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    folder.create()
    log = folder.samples / "load-0.log"
    rows = records(SAMPLE_DTYPE, count + 1)
    write_log(log, rows)
    log.write_bytes(log.read_bytes()[:-cut])

    (sealed,) = seal(folder)

    assert sealed.record_count == count
    assert sealed.broken_because
    assert broken_logs(folder) == ("samples/load-0",)
    table = pq.read_table(folder.samples / "load-0.parquet")
    assert np.array_equal(table["unit"].to_numpy(), rows["unit"][:count])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no newline",
        b'{"format_version":1',
        b"{}\n",
        b"[]\n",
        b'{"format_version":99}\n',
        b"\x00" * 5000,
        b"not json\n" + b"\x01" * 100,
    ],
)
def test_a_log_without_a_sound_header_stays_and_is_named(folder: RunFolder, content: bytes) -> None:
    log = folder.samples / "load-3.log"
    log.write_bytes(content)

    (sealed,) = seal(folder)

    assert sealed.broken_because
    assert log.read_bytes() == content
    assert list(folder.samples.glob("*.parquet")) == []
    assert broken_logs(folder) == ("samples/load-3",)


def test_a_log_with_a_header_and_no_records_is_whole(folder: RunFolder) -> None:
    write_log(folder.operations / "load-0.log", records(OPERATION_DTYPE, 0))

    (sealed,) = seal(folder)

    assert (sealed.record_count, sealed.broken_because) == (0, "")
    assert pq.read_table(folder.operations / "load-0.parquet").num_rows == 0


def test_sealing_again_does_nothing(folder: RunFolder) -> None:
    write_log(folder.samples / "load-0.log", records(SAMPLE_DTYPE, 3))
    seal(folder)
    before = (folder.samples / "load-0.parquet").read_bytes()

    assert seal(folder) == ()
    assert (folder.samples / "load-0.parquet").read_bytes() == before


def test_a_place_that_cannot_be_written_keeps_the_log(folder: RunFolder) -> None:
    log = folder.samples / "load-0.log"
    write_log(log, records(SAMPLE_DTYPE, 3))
    (folder.samples / "load-0.new").mkdir()

    with pytest.raises(BrokenExperiment, match="the log is still there"):
        seal(folder)

    assert log.exists()
