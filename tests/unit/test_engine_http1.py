"""Answers from bytes: whole at any split, and hostile ones refused within bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.engine.http1 import (
    BODY_BYTES_MAX,
    CHUNK_LINE_BYTES_MAX,
    HEAD_BYTES_MAX,
    AnswerReader,
    NotHttp,
    whole_answer,
)

OK = b"HTTP/1.1 200 OK\r\n"
# answer, body, is_reusable
GOOD = [
    (OK + b"Content-Length: 5\r\n\r\nhello", b"hello", True),
    (OK + b"cOnTeNt-LENGTH:5\r\nX: y\r\n\r\nhello", b"hello", True),
    (OK + b"Content-Length: 0\r\n\r\n", b"", True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", b"", True),
    (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", b"{}", True),
    (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}", b"{}", False),
    (OK + b"Connection: Keep-Alive\r\nContent-Length: 2\r\n\r\n{}", b"{}", True),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"{}", False),
    (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}", b"{}", True),
    (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", b"{}", True),
    (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello", True),
    (OK + b"Transfer-Encoding: Chunked\r\n\r\n2;a=b\r\nhe\r\n003\r\nllo\r\n0\r\nT: x\r\n\r\n",
     b"hello", True),
    (OK + b"Transfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n0\r\n\r\n", b"", False),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
     + OK + b"Content-Length: 2\r\n\r\n{}", b"{}", True),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "body", "is_reusable"), GOOD)
def test_an_answer_is_read_whole_at_any_split(answer, body, is_reusable):
    for size in (1, 2, 3, 7, len(answer)):
        reader = AnswerReader()
        dones = [reader.feed(answer[i : i + size]) for i in range(0, len(answer), size)]

        assert dones[-1]
        assert not any(dones[:-1])
        assert (reader.body, reader.is_reusable) == (body, is_reusable)


def test_the_usual_answer_needs_no_reader():
    answer = whole_answer(OK + b"X: y\r\nContent-LENGTH:  5 \r\nX: y\r\n\r\nhello")

    assert answer is not None
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.header("x") == "y"


HEAD_LINES = st.lists(
    st.sampled_from(
        [b"Content-Length: 5", b"content-length:5 ", b"Content-Length: 05", b"Content-Length: +5",
         b"Content-Length: 4", b"Content-Length : 5", b"X: Content-Length: 5", b"Connection: close",
         b"Connection: keep-alive", b"Transfer-Encoding: chunked", b"Content-Length: 5\r", b"",
         b"X"]
    ),
    max_size=4,
)  # fmt: skip
STATUS_LINES = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.1 503 ", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No",
     b"HTTP/1.1 304 X", b"HTTP/1.1 100 X", b"HTTP/1.1 999 X", b"HTTP/1.1 2x0 X", b"HTTP/1.1 2000 X",
     b"http/1.1 200 OK"]
)  # fmt: skip


@given(STATUS_LINES, HEAD_LINES, st.sampled_from([b"", b"hell", b"hello", b"hello!"]))
def test_the_short_way_never_reads_an_answer_otherwise_than_the_reader(status_line, lines, body):
    received = b"\r\n".join([status_line, *lines, b"", b""]) + body

    answer = whole_answer(received)

    if answer is not None:
        reader = AnswerReader()
        assert reader.feed(received)
        assert reader.answer() == answer
        assert reader.is_reusable


def test_an_answer_to_head_has_no_body_whatever_its_length_says():
    reader = AnswerReader(has_body=False)

    assert reader.feed(OK + b"Content-Length: 5\r\n\r\n")
    assert reader.is_reusable


def test_an_answer_without_a_length_ends_with_the_connection():
    reader = AnswerReader()

    assert not reader.feed(OK + b"\r\nhel")
    assert not reader.feed(b"lo")
    assert reader.finish()
    assert (reader.body, reader.is_reusable) == (b"hello", False)


@pytest.mark.parametrize(
    "early", [b"", b"HTTP/1.1 2", OK + b"Content-Length: 5\r\n\r\nhel",
              OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"],
)  # fmt: skip
def test_an_early_close_is_never_a_whole_answer(early):
    reader = AnswerReader()
    reader.feed(early)

    assert not reader.finish()
    assert not reader.is_done


@pytest.mark.parametrize(
    "tail", [b"HTTP/1.1 200 OK\r\n", b"x"], ids=["an answer nobody asked for", "a byte"]
)
@pytest.mark.parametrize(
    "answer",
    [OK + b"Content-Length: 2\r\n\r\n{}", OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
)
def test_a_connection_with_more_bytes_than_asked_for_is_not_used_again(answer, tail):
    reader = AnswerReader()

    assert reader.feed(answer + tail)
    assert not reader.is_reusable


def feed_all(reader, pieces):
    for piece in pieces:
        reader.feed(piece)


HOSTILE = [
    b"\x16\x03\x01\x02\x00",
    b"SSH-2.0-OpenSSH\r\n",
    b"HTTP/2 200\r\n\r\n",
    b"HTTP/1.1 2OO OK\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 099 OK\r\n\r\n",
    b"HTTP/1.1  200 OK\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
    OK + b"Content-Length: -5\r\n\r\n",
    OK + b"Content-Length: +5\r\n\r\n",
    OK + b"Content-Length: 5, 5\r\n\r\n",
    OK + b"Content-Length: 0x5\r\n\r\n",
    OK + b"Content-Length: \r\n\r\n",
    OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n",
    OK + b"Content-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1),
    OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    OK + b"Transfer-Encoding: gzip\r\n\r\n",
    OK + b"Transfer-Encoding: chunked, identity\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffff\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * (CHUNK_LINE_BYTES_MAX + 1),
    OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"T: x\r\n" * 20_000,
    OK + b"X: " + b"y" * (HEAD_BYTES_MAX + 1),
    OK + b"X: y\r\n" * 20_000 + b"\r\n",
]


@pytest.mark.parametrize("answer", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("size", [1000, 65536])
def test_what_is_not_plain_http_is_refused(answer, size):
    pieces = [answer[start : start + size] for start in range(0, len(answer), size)]

    with pytest.raises(NotHttp):
        feed_all(AnswerReader(), pieces)


@given(
    st.lists(st.binary(max_size=40), max_size=20), st.sampled_from([answer for answer, *_ in GOOD])
)
def test_noise_never_does_worse_than_be_refused(noise, answer):
    reader = AnswerReader()
    try:
        for piece in (answer[: len(answer) // 2], *noise):
            if reader.feed(piece):
                break
    except NotHttp:
        return
    assert reader.is_done in (True, False)


def test_a_body_in_many_small_chunks_takes_time_in_proportion():
    count = 30_000
    answer = OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * count + b"0\r\n\r\n"
    reader = AnswerReader()

    for start in range(0, len(answer), 65536):
        is_done = reader.feed(answer[start : start + 65536])

    assert is_done
    assert reader.body == b"x" * count


def test_an_endless_body_is_bounded():
    reader = AnswerReader()
    reader.feed(OK + b"\r\n")
    piece = b"x" * (1024 * 1024)

    with pytest.raises(NotHttp, match="a body of more than"):
        feed_all(reader, [piece] * (BODY_BYTES_MAX // len(piece) + 2))
