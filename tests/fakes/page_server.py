"""A threaded server for a test's own pages: a function of the request gives the bytes to send.

Requests are kept as they came. `pages` may return None to say nothing and keep the connection, or
`CLOSE` to close it. Connections, their peers and how they ended are counted.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import NamedTuple

CLOSE = b""


class Asked(NamedTuple):
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


class PageServer:
    """Serves `pages(asked) -> bytes | None` on loopback until `stop`."""

    def __init__(
        self,
        pages: Callable[[Asked], bytes | None],
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        read_pause_s: float = 0.0,
    ) -> None:
        self.pages = pages
        self.tls = tls
        self.asked: list[Asked] = []
        self.peers: list[str] = []
        self.resumed: list[bool] = []
        self.resets = 0
        self._read_pause = threading.Event()
        self._read_pause_s = read_pause_s
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, 0), family=family, backlog=1024)
        self.port = self.listener.getsockname()[1]
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://[{host}]:{self.port}" if ":" in host else (
            f"{scheme}://{host}:{self.port}"
        )  # fmt: skip
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self.listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, peer = self.listener.accept()
                self.peers.append(peer[0])
                number = len(self.peers)
                threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, raw: socket.socket, number: int) -> None:
        with raw:
            try:
                connection = raw
                if self.tls is not None:
                    connection = self.tls.wrap_socket(raw, server_side=True)
                    self.resumed.append(bool(connection.session_reused))
                with connection:
                    while self._one(connection, number):
                        pass
            except ConnectionResetError:
                self.resets += 1
            except OSError:
                pass

    def _one(self, connection: socket.socket, number: int) -> bool:
        received = b""
        while b"\r\n\r\n" not in received:
            piece = connection.recv(65536)
            if not piece:
                return False
            received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        parts, missing = [body], int(headers.get("content-length", 0)) - len(body)
        while missing > 0:
            if self._read_pause_s:
                self._read_pause.wait(self._read_pause_s)
            piece = connection.recv(65536)
            if not piece:
                return False
            parts.append(piece)
            missing -= len(piece)
        asked = Asked(method, path, headers, b"".join(parts), number)
        self.asked.append(asked)
        answer = self.pages(asked)
        if answer:
            connection.sendall(answer)
        return answer != CLOSE


def page(body: bytes = b"{}", *headers: str, status: int = 200) -> bytes:
    """Return an answer with its length."""
    lines = "".join(f"{line}\r\n" for line in headers)
    head = f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body
