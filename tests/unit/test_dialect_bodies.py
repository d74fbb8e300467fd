"""Bodies as browsers make them, read back by parsers that are not ours."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import HTTP
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.dialects import bodies
from scenarios.dialects.bodies import Upload, form_body, json_body, multipart_body


def read_multipart(content_type, body):
    """Parse with the standard library; returns (name, file name, content) per part."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = message_from_bytes(head + body, policy=HTTP)
    assert message.is_multipart(), message.defects
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    ]


def test_fields_and_files_come_out_of_a_multipart_body_as_they_went_in():
    picture = bytes(range(256)) * 40
    content_type, body = multipart_body(
        [("note", "ใบเสร็จ"), ("scan", Upload("receipt.jpg", picture, "image/jpeg"))]
    )

    note, scan = read_multipart(content_type, body)

    assert note == ("note", None, "ใบเสร็จ".encode())
    assert scan == ("scan", "receipt.jpg", picture)


def test_a_thai_file_name_goes_out_as_utf8_and_cannot_break_the_header():
    _, body = multipart_body([("f", Upload('ใบ"เสร็จ\r\nX: y.pdf', b""))])

    assert 'filename="ใบ%22เสร็จ%0D%0AX: y.pdf"'.encode() in body
    assert b"\r\nX: y" not in body


def test_a_content_type_cannot_smuggle_a_header():
    _, body = multipart_body([("f", Upload("a", b"", "text/plain\r\nX-Evil: 1"))])

    assert b"\r\nX-Evil" not in body


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.binary(max_size=200)), min_size=1))
def test_no_content_holds_its_boundary(parts):
    files = [(name, Upload(name, content)) for name, content in parts]

    content_type, body = multipart_body(files)

    boundary = content_type.partition("boundary=")[2].encode()
    assert body.count(b"--" + boundary) == len(parts) + 1
    assert len(boundary) <= 70, "RFC 2046 allows no more"


def test_content_that_holds_the_first_boundary_gets_another(monkeypatch):
    monkeypatch.setattr(bodies, "_SAMPLE_BYTES", 8)  # so that a test can foresee the boundary
    padding = b"x" * 8
    first, _ = multipart_body([("f", Upload("f", padding + b"-" * 44))])
    boundary = first.partition("boundary=")[2].encode()
    assert len(boundary) == 44

    second, body = multipart_body([("f", Upload("f", padding + boundary))])

    assert second != first
    assert read_multipart(second, body)[0][2] == padding + boundary


def test_a_form_is_encoded_as_browsers_do_it():
    content_type, body = form_body({"a b": "1&2=3", "ชื่อ": "ร้าน", "empty": ""})

    assert content_type == "application/x-www-form-urlencoded"
    assert body.startswith(b"a+b=1%262%3D3&")
    assert parse_qsl(body.decode(), keep_blank_values=True) == [
        ("a b", "1&2=3"), ("ชื่อ", "ร้าน"), ("empty", ""),
    ]  # fmt: skip


def test_a_form_for_an_old_thai_system_is_in_its_own_charset():
    _, body = form_body([("ก", "ข☃")], charset="tis-620")

    assert body == b"%A1=%A2%3F"


@pytest.mark.parametrize("values", [{}, {"amount": "1.00", "ชื่อ": "ร้าน"}, [1, None]])
def test_json_comes_out_as_it_went_in(values):
    content_type, body = json_body(values)

    assert content_type == "application/json"
    assert __import__("json").loads(body) == values
