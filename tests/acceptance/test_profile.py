"""`monthend profile` as a person starts it: stacks, statements and a page that shows them."""

from __future__ import annotations

import orjson

from tests.acceptance.conftest import Start


def test_a_profile_names_hot_paths_and_hot_statements_on_a_page(start: Start) -> None:
    command = start(
        "profile", "--target", "embedded", "--scale", "0.02", "--duration", "20", "--level", "L2"
    )

    assert command.finish() == 0, command.errors.read_text()
    command.await_no_children()
    found = orjson.loads((command.folder / "profile" / "profile.json").read_bytes())
    page = (command.folder / "report.html").read_text("utf-8")
    assert found["paths"]
    assert found["paths_with_idle"]
    assert {"post", "overview"} <= {statement["call_site"] for statement in found["statements"]}
    assert str(command.folder / "report.html") in command.output
    assert 'id="profile"' in page
    assert "reference_app/" in page
    assert not (command.folder / "verdict.json").exists()
