"""What browsers do beyond one plain exchange: cookies, redirects, compression, own connections."""

from __future__ import annotations

import errno
import gzip
import ssl
import time
from types import SimpleNamespace

import gevent
import pytest

from scenarios.dialects.interface import Request
from scenarios.engine import browser_pool, connection
from scenarios.engine.switchboard import Switchboard
from scenarios.networks import Break, Passage
from scenarios.outcomes import Ending
from tests.fakes.certificates import certificate
from tests.fakes.page_server import CLOSE, PageServer, page

LIMIT_S = 5.0


class Client:
    """A switchboard and the people who use it."""

    def __init__(self, url, **options):
        self.ended = []
        self.board = Switchboard(
            url,
            finished=self.ended.append,
            guarded=lambda callback: callback(),
            **{"connections_max": 100, "timeout_s": LIMIT_S, "tls": None, **options},
        )
        self.board.prepare()

    def send(self, request, *, account=1, unit=1, step=1, is_safe=True):
        owner = SimpleNamespace(
            step=SimpleNamespace(account=account), unit=unit, seed=unit, sent_steps=step, extras=0
        )
        return self.board.dispatch(request, owner, is_safe=is_safe)

    def wait(self, count):
        deadline = time.monotonic() + LIMIT_S + 5
        while len(self.ended) < count:
            assert time.monotonic() < deadline, "an exchange never ended"
            self.board.sweep()
            gevent.sleep(0.002)

    def ask(self, request, **options):
        exchange = self.send(request, **options)
        self.wait(len(self.ended) + 1)
        return exchange


@pytest.fixture
def serve():
    made = []

    def make(pages, *, client=None, **options):
        server = PageServer(pages, **options)
        made.append(server)
        one = Client(server.url, **(client or {}))
        made.append(SimpleNamespace(stop=one.board.abandon))
        return server, one

    yield make
    for one in reversed(made):
        one.stop()


@pytest.fixture(scope="module")
def trust(tmp_path_factory):
    """Contexts of a server with a lab's own certificate, and of a client that trusts it."""
    path = certificate(tmp_path_factory.mktemp("certificate"))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(path)
    return SimpleNamespace(server=server, client=ssl.create_default_context(cafile=path))


def look(path="/", **options):
    return Request("GET", path, **{"is_browsing": True, "follow": 3, **options})


FORM = Request("POST", "/form", (("Content-Type", "x"),), b"a=1", follow=3, is_browsing=True)


# Cookies.


def test_a_person_sends_back_the_cookies_they_were_given_and_nobody_elses(serve):
    server, client = serve(lambda asked: page(b"", f"Set-Cookie: who={asked.path[1:]}; Path=/"))

    client.ask(look("/ann"), account=1)
    client.ask(look("/bob"), account=2)
    client.ask(look("/x"), account=1)
    client.ask(look("/y"), account=3)

    assert [asked.headers.get("cookie") for asked in server.asked] == [None, None, "who=ann", None]


def test_who_never_got_a_cookie_costs_no_jar(serve):
    _, client = serve(lambda _: page())
    for account in range(1, 6):
        client.ask(look(), account=account)

    assert client.board.jars == {}


def test_plain_requests_neither_keep_cookies_nor_follow_nor_unpack(serve):
    packed = gzip.compress(b"x")
    server, client = serve(
        lambda _: page(packed, "Set-Cookie: a=b", "Content-Encoding: gzip", "Location: /b",
                       status=302)
    )  # fmt: skip

    first = client.ask(Request("GET", "/a"))
    client.ask(Request("GET", "/a"))

    assert (first.answer.status, first.answer.body) == (302, packed)
    assert len(server.asked) == 2
    assert all("cookie" not in asked.headers for asked in server.asked)
    assert all("accept-encoding" not in asked.headers for asked in server.asked)


# Redirects.


def form_then_page(asked):
    if asked.method == "POST":
        return page(b"", "Location: /papers/7", "Set-Cookie: sid=1; Path=/", status=303)
    return page(b"paper 7")


def test_a_form_that_leads_to_a_page_is_one_exchange(serve):
    server, client = serve(form_then_page)

    exchange = client.ask(FORM, is_safe=False)

    assert (exchange.answer.status, exchange.answer.body) == (200, b"paper 7")
    assert exchange.answer.address == f"{server.url}/papers/7"
    assert [(a.method, a.path, a.body) for a in server.asked] == [
        ("POST", "/form", b"a=1"), ("GET", "/papers/7", b""),
    ]  # fmt: skip
    assert server.asked[1].headers["cookie"] == "sid=1", "cookies are taken on every hop"
    assert exchange.sent_ns < exchange.first_byte_ns <= exchange.done_ns
    assert exchange.unseen_bytes > 50, "the bytes of the first answer were received, too"
    assert len(client.ended) == 1


def test_the_sample_is_sent_at_the_first_hop_and_done_at_the_last(serve):
    def pages(asked):
        time.sleep(0.05)
        return form_then_page(asked)

    _, client = serve(pages)

    exchange = client.ask(FORM, is_safe=False)

    assert exchange.done_ns - exchange.sent_ns > 100_000_000


def test_307_hands_the_form_in_once_more_where_it_belongs(serve):
    def pages(asked):
        return page(b"", "Location: /new", status=307) if asked.path == "/form" else page()

    server, client = serve(pages)
    client.ask(FORM, is_safe=False)

    assert [(a.method, a.path, a.body) for a in server.asked] == [
        ("POST", "/form", b"a=1"), ("POST", "/new", b"a=1"),
    ]  # fmt: skip


def test_a_circle_of_redirects_ends_where_the_dialect_said(serve):
    server, client = serve(lambda asked: page(b"", f"Location: {asked.path}x", status=302))

    exchange = client.ask(look("/"))

    assert exchange.answer.status == 302
    assert len(server.asked) == 4


def test_no_dialect_can_ask_for_an_endless_circle(serve):
    server, client = serve(lambda _: page(b"", "Location: /", status=302))

    client.ask(look("/", follow=10**6))

    assert len(server.asked) == 21


def test_redirects_reach_a_few_hosts_and_no_more_and_credentials_stay(serve):
    other, _ = serve(lambda _: page(b"", "Location: http://127.0.0.9:9/", status=302))
    server, client = serve(lambda _: page(b"", f"Location: {other.url}/b", status=302))
    for port in (1, 2):  # two more hosts that were named before: with these two, four
        client.board.whole_address("/")
        client.ask(Request("GET", f"http://127.0.0.8:{port}/"))

    exchange = client.ask(look("/a", headers=(("Authorization", "Bearer t"),)))

    assert exchange.answer.status == 302
    assert exchange.answer.address == f"{other.url}/b"
    assert server.asked[0].headers["authorization"] == "Bearer t"
    assert "authorization" not in other.asked[0].headers


@pytest.mark.parametrize(
    ("second", "ending"),
    [(CLOSE, Ending.BROKEN), (b"garbage\r\n\r\n", Ending.BROKEN),
     (page(b"", status=503), Ending.ANSWERED)],
)  # fmt: skip
def test_what_becomes_of_the_page_after_a_form_is_told_as_it_was(serve, second, ending):
    def pages(asked):
        return form_then_page(asked) if asked.method == "POST" else second

    _, client = serve(pages)
    exchange = client.ask(FORM, is_safe=False)

    assert exchange.answer.ending is ending


def test_a_form_that_led_to_a_dead_host_may_have_been_carried_out(serve):
    """Nothing of the look after it was sent, but the form was: never NOTHING_SENT."""
    _, client = serve(lambda _: page(b"", "Location: http://127.0.0.9:9/", status=303))

    exchange = client.ask(FORM, is_safe=False)

    assert exchange.answer.ending is Ending.BROKEN


# Compression.


def test_pages_come_unpacked_and_their_bytes_are_counted_as_they_came(serve):
    text = b"<html>" * 1000
    packed = gzip.compress(text)
    server, client = serve(lambda _: page(packed, "Content-Encoding: gzip"))

    exchange = client.ask(look())

    assert server.asked[0].headers["accept-encoding"] == "gzip, deflate"
    assert exchange.answer.body == text
    assert len(exchange.answer.body) + exchange.unseen_bytes == len(packed)


@pytest.mark.parametrize(
    "body", [gzip.compress(b"x" * 99)[:-5], b"plain", gzip.compress(b"\0" * 99_000_000)],
    ids=["cut", "not packed", "bomb"],
)  # fmt: skip
def test_a_page_that_cannot_be_unpacked_did_not_arrive(serve, body):
    _, client = serve(lambda _: page(body, "Content-Encoding: gzip"))

    assert client.ask(look()).answer.ending is Ending.BROKEN
    assert client.ask(Request("GET", "/")).answer.ending is Ending.ANSWERED


# Connections of one's own.

BROWSER = {"connections": "browser"}


def test_each_person_has_a_connection_and_keeps_it(serve):
    server, client = serve(lambda _: page(), client=BROWSER)

    for _ in range(3):
        for account in (1, 2, 3):
            client.ask(Request("GET", f"/{account}"), account=account)

    assert len(server.peers) == 3
    by_person = {(asked.path, asked.connection) for asked in server.asked}
    assert len(by_person) == 3, "nobody used another's"


def test_shared_connections_are_as_few_as_serve_everybody(serve):
    server, client = serve(lambda _: page())

    for account in (1, 2, 3, 4):
        client.ask(Request("GET", "/"), account=account)

    assert len(server.peers) == 1


def test_a_person_has_six_connections_at_most_and_the_rest_wait(serve):
    answers = {"held": None}
    server, client = serve(lambda _: answers["held"], client={**BROWSER, "timeout_s": 0.3})

    for _ in range(9):
        client.send(Request("GET", "/"))
    client.send(Request("GET", "/"), account=2)
    gevent.sleep(0.1)

    assert len(server.peers) == browser_pool.CONNECTIONS_PER_PERSON + 1
    assert len(server.asked) == browser_pool.CONNECTIONS_PER_PERSON + 1
    answers["held"] = page()
    client.wait(10)
    endings = [exchange.answer.ending for exchange in client.ended]
    assert endings.count(Ending.TIMED_OUT) == browser_pool.CONNECTIONS_PER_PERSON + 1
    assert endings.count(Ending.ANSWERED) == 3, "those who waited had their turn"


def test_without_room_the_longest_idle_connection_makes_it(serve):
    server, client = serve(lambda _: page(), client={**BROWSER, "connections_max": 16})

    for account in range(1, 41):
        client.ask(Request("GET", "/"), account=account)
    exchange = client.ask(Request("GET", "/"), account=40)

    assert client.board.connections == 16
    assert client.board.evicted == 24
    assert client.board.own_shortages == 0
    assert exchange.answer.ending is Ending.ANSWERED
    assert len(server.peers) == 40, "the latest still has their connection"


def test_when_all_are_busy_a_newcomer_waits_for_the_first_to_end(serve):
    held = {"now": True}

    def pages(asked):
        deadline = time.monotonic() + LIMIT_S
        while held["now"] and time.monotonic() < deadline:
            time.sleep(0.005)
        return page()

    _, client = serve(pages, client={**BROWSER, "connections_max": 4})
    for account in range(1, 9):
        client.send(Request("GET", "/"), account=account)
    gevent.sleep(0.05)
    assert client.board.connections == 4
    held["now"] = False

    client.wait(8)

    assert {exchange.answer.ending for exchange in client.ended} == {Ending.ANSWERED}
    assert client.board.connections <= 4


def test_a_connection_that_the_target_closes_while_idle_is_forgotten(serve):
    _, client = serve(lambda _: page(b"", "Connection: close"), client=BROWSER)
    for _ in range(3):
        assert client.ask(Request("GET", "/")).answer.ending is Ending.ANSWERED

    assert client.board.connections == 0


# Addresses of our own.


def test_where_ports_run_out_people_come_from_addresses_of_their_own(serve, monkeypatch):
    monkeypatch.setattr("scenarios.engine.wire.PORTS_PER_ADDRESS", 10)
    server, client = serve(lambda _: page(), client=BROWSER)

    for account in range(1, 31):
        client.ask(Request("GET", "/"), account=account)

    assert server.peers[:10] == ["127.0.0.1"] * 10
    assert len(set(server.peers[10:])) == 20
    assert all(peer.startswith("127.") for peer in server.peers)
    assert client.board.own_shortages == 0


def test_an_address_without_ports_left_is_no_error_on_loopback(serve, monkeypatch):
    class Exhausted(connection._socket_class):
        def connect_ex(self, address):
            if self.getsockname()[0] == "0.0.0.0":
                return errno.EADDRNOTAVAIL
            return super().connect_ex(address)

    server, client = serve(lambda _: page())
    monkeypatch.setattr(connection, "_socket_class", Exhausted)

    assert client.ask(Request("GET", "/")).answer.ending is Ending.ANSWERED
    assert server.peers[0] != "127.0.0.1"
    assert client.board.own_shortages == 0


# Large forms.


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_a_large_upload_makes_nobody_else_wait(serve, is_encrypted, trust):
    body = bytes(range(256)) * 4096 * 20  # 20 MiB
    tls = trust.server if is_encrypted else None
    client_tls = trust.client if is_encrypted else None
    # A server that reads slowly: on a fast one the upload may be over before anybody asks.
    server, client = serve(
        lambda _: page(),
        tls=tls,
        client={"tls": client_tls, "timeout_s": 60.0},
        read_pause_s=0.001,
    )
    client.ask(Request("GET", "/"), account=2)
    upload = client.send(Request("POST", "/upload", (), body), is_safe=False)

    looks = []
    while not upload.done_ns:
        look = client.ask(Request("GET", "/"), account=2)
        if look.done_ns:  # or the upload ended first
            looks.append((look.done_ns - look.sent_ns) / 1e6)

    assert upload.answer.ending is Ending.ANSWERED
    assert next(a for a in server.asked if a.path == "/upload").body == body
    assert len(looks) > 3, "others were served meanwhile"
    assert sorted(looks)[len(looks) // 2] < 60


# TLS.


def test_a_second_connection_takes_the_first_ones_session_up(serve, trust):
    server, client = serve(
        lambda _: page(b"", "Connection: close"), tls=trust.server,
        client={"tls": trust.client, **BROWSER},
    )  # fmt: skip

    for account in (1, 1, 2, 1, 2):
        assert client.ask(Request("GET", "/"), account=account).answer.ending is Ending.ANSWERED

    assert server.resumed == [False, True, False, True, True]


def test_a_certificate_that_nobody_vouches_for_is_refused(serve, trust):
    server, client = serve(
        lambda _: page(), tls=trust.server, client={"tls": ssl.create_default_context()}
    )

    assert client.ask(Request("GET", "/")).answer.ending is Ending.NOTHING_SENT
    assert server.asked == []


def test_a_target_with_a_version_6_address_works(serve):
    server, client = serve(lambda _: page(), host="::1")

    exchange = client.ask(look())

    assert exchange.answer.ending is Ending.ANSWERED
    assert server.asked[0].headers["host"] == f"[::1]:{server.port}"


# A bad line.


def on_line(monkeypatch, **passage):
    """Have the line of unit 1 do exactly this to every request."""
    usual = {"up_s": 0.1, "down_s": 0.2, "down_bytes_s": 1e9, "breaks": Break.NONE, "break_s": 0.0}
    monkeypatch.setattr(
        "scenarios.engine.switchboard.passage_of", lambda *_, **__: Passage(**{**usual, **passage})
    )


LOSSY = {"lossy": {1}}


def test_a_bad_line_delays_the_request_and_the_sight_of_the_answer(serve, monkeypatch):
    arrived = []
    _, client = serve(lambda _: arrived.append(time.monotonic_ns()) or page(), client=LOSSY)
    on_line(monkeypatch)

    before_ns = time.monotonic_ns()
    exchange = client.ask(Request("GET", "/"), unit=1)

    assert exchange.sent_ns - before_ns < 20_000_000, "sent when the person sent it"
    assert 100_000_000 <= arrived[0] - exchange.sent_ns < 180_000_000
    assert 300_000_000 <= exchange.done_ns - exchange.sent_ns < 400_000_000
    assert exchange.first_byte_ns <= exchange.done_ns


def test_units_with_a_good_line_notice_nothing(serve, monkeypatch):
    _, client = serve(lambda _: page(), client=LOSSY)
    on_line(monkeypatch, up_s=4.0)

    exchange = client.ask(Request("GET", "/"), unit=2)

    assert exchange.done_ns - exchange.sent_ns < 100_000_000
    assert exchange.errand is None


def test_a_narrow_line_takes_its_time_for_a_large_page(serve, monkeypatch):
    _, client = serve(lambda _: page(b"x" * 20_000), client=LOSSY)
    on_line(monkeypatch, up_s=0.0, down_s=0.0, down_bytes_s=100_000)

    exchange = client.ask(Request("GET", "/"), unit=1)

    assert 200_000_000 <= exchange.done_ns - exchange.sent_ns < 300_000_000
    assert exchange.done_ns - exchange.first_byte_ns > 150_000_000


def test_a_line_that_breaks_before_the_request_sends_nothing(serve, monkeypatch):
    server, client = serve(lambda _: page(), client={**LOSSY, **BROWSER})
    client.ask(Request("GET", "/first"), unit=2)
    on_line(monkeypatch, breaks=Break.BEFORE)

    exchange = client.ask(Request("POST", "/form", (), b"x"), unit=1, is_safe=False)

    assert exchange.answer.ending is Ending.NOTHING_SENT
    assert [asked.path for asked in server.asked] == ["/first"]
    deadline = time.monotonic() + LIMIT_S
    while server.resets == 0 and time.monotonic() < deadline:
        gevent.sleep(0.005)
    assert server.resets == 1, "the person's idle connection was reset"


@pytest.mark.parametrize("answers", [page(), None], ids=["answered", "still working"])
def test_a_line_that_breaks_after_the_request_leaves_its_fate_open(serve, monkeypatch, answers):
    server, client = serve(lambda _: answers, client=LOSSY)
    on_line(monkeypatch, up_s=0.01, breaks=Break.AFTER, break_s=0.05)

    exchange = client.ask(Request("POST", "/form", (), b"x"), unit=1, is_safe=False)

    assert exchange.answer.ending is Ending.BROKEN
    assert len(server.asked) == 1, "it arrived, once"
    if answers is None:
        deadline = time.monotonic() + LIMIT_S
        while server.resets == 0 and time.monotonic() < deadline:
            gevent.sleep(0.005)
        assert server.resets == 1, "the target saw a reset"


@pytest.mark.parametrize("slow", ["up_s", "down_s"])
def test_patience_counts_from_the_person_not_from_the_wire(serve, monkeypatch, slow):
    server, client = serve(lambda _: page(), client={**LOSSY, "timeout_s": 0.5})
    on_line(monkeypatch, **{slow: 3.0})

    exchange = client.ask(Request("GET", "/"), unit=1)

    assert exchange.answer.ending is Ending.TIMED_OUT
    assert 500_000_000 <= exchange.done_ns - exchange.sent_ns < 700_000_000
    assert len(server.asked) == (0 if slow == "up_s" else 1)


def test_a_load_that_ends_leaves_nobody_on_the_line(serve, monkeypatch):
    server, client = serve(lambda _: page(), client=LOSSY)
    on_line(monkeypatch, up_s=3.0)
    client.send(Request("GET", "/"), unit=1)
    assert client.board.in_flight == 1

    client.board.abandon()
    client.wait(1)

    assert client.ended[0].answer.ending is Ending.NOTHING_SENT
    assert client.board.in_flight == 0
    assert server.asked == []


def test_every_hop_of_a_redirect_crosses_the_line(serve, monkeypatch):
    _, client = serve(form_then_page, client=LOSSY)
    on_line(monkeypatch)

    exchange = client.ask(FORM, unit=1, is_safe=False)

    assert exchange.answer.status == 200
    assert 600_000_000 <= exchange.done_ns - exchange.sent_ns < 800_000_000
