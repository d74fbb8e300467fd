"""Sign-in tokens: only what was signed here is believed, and only until it expires."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from reference_app.problems import PROBLEMS, Problem
from reference_app.sessions import REMEMBERED_MAX, Session, Tokens, pid_hash

SESSION = Session(account=7001, unit=7, roles=frozenset({"clerk", "checker"}), expires_at=1000.0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> Tokens:
    return Tokens(b"k" * 32, clock)


def test_a_token_gives_its_session_back(tokens: Tokens, clock: Clock) -> None:
    header = f"Bearer {tokens.sign(SESSION)}"

    assert tokens.session_of(header) == SESSION
    assert tokens.session_of(header) is tokens.session_of(header)
    assert Tokens(b"k" * 32, clock).session_of(header) == SESSION


def test_a_token_expires_even_when_it_is_remembered(tokens: Tokens, clock: Clock) -> None:
    header = f"Bearer {tokens.sign(SESSION)}"
    tokens.session_of(header)
    clock.now = 1000.0

    with pytest.raises(Problem, match="expired"):
        tokens.session_of(header)


def altered(token: str) -> str:
    content, _, mac = token.partition(".")
    text = urlsafe_b64decode(content + "=" * (-len(content) % 4)).replace(b"7001", b"7002")
    return f"{urlsafe_b64encode(text).rstrip(b'=').decode()}.{mac}"


@pytest.mark.parametrize(
    "header_of",
    [
        lambda _: None,
        lambda _: "",
        lambda token: token,
        lambda token: f"Basic {token}",
        lambda _: "Bearer ",
        lambda _: "Bearer .",
        lambda _: "Bearer a.b",
        lambda _: "Bearer ก.ข",
        lambda token: f"Bearer {token.partition('.')[0]}.",
        lambda token: f"Bearer .{token.partition('.')[2]}",
        lambda token: f"Bearer {altered(token)}",
        lambda _: f"Bearer {Tokens(b'x' * 32, lambda: 0.0).sign(SESSION)}",
    ],
)
def test_what_was_not_signed_here_proves_nothing(tokens: Tokens, header_of: object) -> None:
    assert callable(header_of)
    with pytest.raises(Problem) as refused:
        tokens.session_of(header_of(tokens.sign(SESSION)))

    assert refused.value.code == "unauthorized"


def test_the_memory_of_tokens_has_a_limit(tokens: Tokens) -> None:
    for account in range(REMEMBERED_MAX + 10):
        session = Session(account=account, unit=7, roles=frozenset(), expires_at=10.0)
        tokens.session_of(f"Bearer {tokens.sign(session)}")

    assert len(tokens._remembered) <= REMEMBERED_MAX


def test_a_citizen_number_is_hashed_with_a_key() -> None:
    assert pid_hash(b"a" * 32, "1") != pid_hash(b"b" * 32, "1")
    assert len(pid_hash(b"a" * 32, "1")) == 32


@pytest.mark.parametrize("code", PROBLEMS)
def test_what_may_be_sent_again_says_when(code: str) -> None:
    kind = PROBLEMS[code]

    assert (kind.status in (429, 503)) == (kind.retry_after_s > 0)
