"""The street: clients of a full worker are looked at together, everything else as ever."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from selectors import EVENT_READ, EVENT_WRITE

import pytest

from reference_app.street import LOOK_S, ROOM_MIN, Street, StreetLoop


class Scene:
    """A street with one client and one other file, the room and the time as the test says."""

    def __init__(self) -> None:
        self.now = 100.0
        self.share = 1.0
        self.street = Street(lambda: self.now)
        self.street.room = lambda: self.share
        self.client, self._from_client = socket.socketpair()
        self.database, self._from_database = socket.socketpair()
        self.street.add_client(self.client.fileno())
        self.street.register(self.client.fileno(), EVENT_READ, "client")
        self.street.register(self.database, EVENT_READ, "database")

    def ask(self) -> None:
        self._from_client.send(b"?")

    def answer(self) -> None:
        self._from_database.send(b"!")

    def seen(self) -> list[str]:
        return sorted(key.data for key, _ in self.street.select(0))

    def close(self) -> None:
        self.street.close()
        for end in (self.client, self._from_client, self.database, self._from_database):
            end.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


def test_with_room_clients_are_seen_with_the_rest(scene: Scene) -> None:
    scene.share = 0.01
    scene.ask()
    assert scene.seen() == ["client"]
    scene.answer()
    assert scene.seen() == ["client", "database"]


def test_without_room_clients_wait_unread_until_it_is_time_to_look(scene: Scene) -> None:
    scene.share = 0.0
    scene.ask()
    scene.answer()
    assert scene.seen() == ["database"]
    scene.now += 0.9 * LOOK_S
    assert scene.seen() == ["database"]
    scene.now += 0.2 * LOOK_S
    assert scene.seen() == ["client", "database"]
    assert scene.seen() == ["database"], "one look, then the street is shut again"


@pytest.mark.parametrize(
    ("share", "seen"), [(ROOM_MIN, ["client"]), (ROOM_MIN - 0.01, []), (-3.0, [])]
)
def test_enough_room_opens_the_street_before_the_time(
    scene: Scene, share: float, seen: list[str]
) -> None:
    scene.share = 0.0
    scene.ask()
    assert scene.seen() == []
    scene.share = share
    assert scene.seen() == seen


def test_a_little_room_is_filled_when_there_is_nothing_else_to_do(scene: Scene) -> None:
    scene.share = 0.0
    scene.ask()
    assert scene.seen() == []
    scene.share = ROOM_MIN / 2
    scene.answer()
    assert [key.data for key, _ in scene.street.select(None)] == ["database"], "there is"
    scene.database.recv(1)
    assert scene.seen() == [], "who does not wait is not idle"
    assert [key.data for key, _ in scene.street.select(None)] == ["client"]
    assert [key.data for key, _ in scene.street.select(None)] == ["client"], "open"


def test_who_was_let_in_is_read_while_the_street_is_shut(scene: Scene) -> None:
    number = scene.client.fileno()
    scene.share = 0.0
    scene.ask()
    assert scene.seen() == []
    scene.street.set_inside(number, is_inside=True)
    assert scene.seen() == ["client"]
    scene.street.set_inside(number, is_inside=True)
    assert scene.seen() == ["client"]
    scene.street.set_inside(number, is_inside=False)
    assert scene.seen() == []


def test_an_object_that_was_closed_meanwhile_is_unregistered_all_the_same(scene: Scene) -> None:
    scene.database.close()
    assert scene.street.unregister(scene.database).data == "database"


def test_a_shut_street_ends_every_wait_in_time(scene: Scene) -> None:
    scene.share = 0.0
    scene.ask()
    assert scene.street.select(None) == []  # forever, but for the street
    scene.now += LOOK_S
    assert [key.data for key, _ in scene.street.select(None)] == ["client"]


def test_who_reads_slowly_is_written_to_while_the_street_is_shut(scene: Scene) -> None:
    scene.share = 0.0
    scene.street.modify(scene.client.fileno(), EVENT_READ | EVENT_WRITE, "client")
    assert scene.seen() == ["client"]
    scene.street.modify(scene.client.fileno(), EVENT_READ, "client")
    scene.ask()
    assert scene.seen() == []


def test_a_number_that_comes_again_for_another_file_is_no_client(scene: Scene) -> None:
    number = scene.client.fileno()
    assert scene.street.unregister(number).data == "client"
    scene.street.remove_client(number)
    scene.street.register(number, EVENT_READ, "file")
    scene.share = 0.0
    scene.ask()
    assert scene.seen() == ["file"]


def test_all_files_are_on_one_map(scene: Scene) -> None:
    assert scene.street.get_key(scene.client.fileno()).data == "client"
    assert scene.street.get_key(scene.database).data == "database"
    scene.street.unregister(scene.database)
    with pytest.raises(KeyError):
        scene.street.get_key(scene.database)
    with pytest.raises(KeyError):
        scene.street.unregister(scene.database)


def test_a_loop_serves_clients_whether_or_not_there_is_room() -> None:
    class Echo(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self._transport = transport
            loop.street.add_client(transport.get_extra_info("socket").fileno())

        def data_received(self, data: bytes) -> None:
            self._transport.write(data)

    async def echoes() -> list[bytes]:
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        async with server:
            address = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(*address)
            echoed = []
            for share in (1.0, 0.0, 0.5):
                loop.street.room = lambda share=share: share
                writer.write(b"%d" % (100 * share) + b"x" * 9_000_000)  # more than buffers hold
                writer.write(b"\n")
                data = b""
                while not data.endswith(b"\n"):
                    data += await reader.read(1 << 20)
                echoed.append(data[:3])
                assert len(data) > 9_000_000
            writer.close()
        return echoed

    with asyncio.Runner(loop_factory=StreetLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, StreetLoop)
        assert runner.run(asyncio.wait_for(echoes(), 60)) == [b"100", b"0xx", b"50x"]
