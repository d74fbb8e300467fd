"""Compressed answers: what servers send comes out, bombs and ruins are refused."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.engine.content_coding import DECODED_BYTES_MAX, BrokenCoding, decoded

PAGE = "<html>ใบเสร็จรับเงิน</html>".encode() * 50


def head(coding):
    return f"HTTP/1.1 200 OK\r\nContent-ENCODING: {coding} \r\nX: y\r\n".encode()


def bare(content):
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(content) + deflater.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [("gzip", gzip.compress(PAGE)), ("X-GZIP", gzip.compress(PAGE)),
     ("deflate", zlib.compress(PAGE)), ("deflate", bare(PAGE)), ("identity", PAGE),
     ("gzip", gzip.compress(PAGE[:100]) + gzip.compress(PAGE[100:])),
     ("gzip", gzip.compress(PAGE) + b"\0\0\0")],
    ids=range(7),
)  # fmt: skip
def test_a_page_comes_out_as_it_was(coding, body):
    assert decoded(head(coding), body) == PAGE


def test_an_answer_without_a_coding_is_left_alone():
    assert decoded(b"HTTP/1.1 200 OK\r\n", PAGE) == PAGE


def test_an_empty_body_needs_no_unpacking():
    assert decoded(head("gzip"), b"") == b""


@pytest.mark.parametrize(
    ("coding", "body"),
    [("gzip", gzip.compress(PAGE)[:-9]), ("gzip", gzip.compress(PAGE)[:20]), ("gzip", PAGE),
     ("gzip", gzip.compress(PAGE)[:-8] + b"\0" * 8), ("gzip", gzip.compress(PAGE) + b"rubbish"),
     ("deflate", zlib.compress(PAGE)[:-6]), ("deflate", b"\xff" * 40), ("br", PAGE), ("zstd", PAGE),
     ("gzip, gzip", gzip.compress(gzip.compress(PAGE)))],
    ids=range(10),
)  # fmt: skip
def test_what_is_broken_or_was_not_asked_for_is_refused(coding, body):
    with pytest.raises(BrokenCoding):
        decoded(head(coding), body)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_is_refused_before_it_fills_the_memory(coding):
    pack = gzip.compress if coding == "gzip" else zlib.compress
    bomb = pack(b"\0" * (DECODED_BYTES_MAX * 8))
    assert len(bomb) < DECODED_BYTES_MAX / 100

    with pytest.raises(BrokenCoding, match="more than"):
        decoded(head(coding), bomb)
    assert len(decoded(head(coding), pack(b"\0" * DECODED_BYTES_MAX))) == DECODED_BYTES_MAX


def test_a_bomb_in_many_members_is_refused_too():
    with pytest.raises(BrokenCoding, match="more than"):
        decoded(head("gzip"), gzip.compress(b"") * 1000)


@given(st.binary(max_size=200), st.integers(0, 60), st.sampled_from(["gzip", "deflate"]))
def test_a_damaged_page_is_refused_or_comes_out_whole(noise, place, coding):
    body = gzip.compress(PAGE, mtime=0) if coding == "gzip" else zlib.compress(PAGE)
    damaged = body[:place] + noise + body[place + len(noise) :]

    try:
        out = decoded(head(coding), damaged)
    except BrokenCoding:
        return
    assert len(out) <= DECODED_BYTES_MAX
