"""A target whose behaviour is known: it speaks enough of the ledger's interface for every journey,
waits exactly as long as it was told, and misbehaves on order.

    python tests/fakes/known_server.py '{"delay_ms": 5, "faults": [["reset", 10, 0]]}'

prints {"url": ...} and serves until stdin closes. `faults` is a list of [name, every, from]: the
fault befalls each *every*-th request counted from number *from*. `stall` [at_s, length_s]
freezes the whole process that long, counted from the first request. GET /control/counts tells what
happened. Books are kept per key, so repeats give the same document. `parents` is a JSON file of
unit -> parent (who may act where), `certificate` a PEM file with key and certificate for TLS.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import struct
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

UNITS = re.compile(r"^/units/(\d+)/(.+)$")
KINDS = {
    "receipts": "receipt",
    "disbursement-requests": "disbursement_request",
    "commitments": "commitment",
    "advance-requests": "advance_request",
    "journal-vouchers": "journal_voucher",
    "budget-transfers": "budget_transfer",
}
LISTS = {
    "periods": "periods",
    "worklist": "items",
    "budget": "lines",
    "payees": "payees",
    "reports/daily-cash": "accounts",
    "reports/trial-balance": "accounts",
    "reports/receipts-payments": "receipts",
    "reports/budget-execution": "lines",
}
SHED = (503, {"Retry-After": "0"}, {"code": "shed"})


YEAR_MAX = 2400  # a year above it is a Buddhist one
BUDGET_DIGITS_MAX = 12  # below a thousand million baht, with point and satang


def is_balanced(lines: list[dict[str, str]]) -> bool:
    debit = sum(Decimal(line.get("debit", 0)) for line in lines)
    return debit == sum(Decimal(line.get("credit", 0)) for line in lines)


class Ledger:
    """Numbers documents, remembers keys, keeps periods closed."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[bytes, tuple[int, dict[str, str], Any]]] = {}
        self.documents: dict[int, dict[str, Any]] = {}
        self.numbers: Counter[tuple[int, str]] = Counter()
        self.closed: set[tuple[int, str]] = set()
        self.executed: Counter[str] = Counter()

    def post(self, unit: int, path: str, key: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        if key in self.answers:
            first_body, answer = self.answers[key]
            if body != first_body:
                return 422, {}, {"code": "idempotency-key-reused"}
            return answer[0], {"Idempotency-Replayed": "true"}, answer[2]
        answer = self._carry_out(unit, path, json.loads(body))
        if answer[0] < 300:
            self.executed[key] += 1
            self.answers[key] = (body, answer)
        return answer

    def _carry_out(self, unit: int, path: str, form: Any) -> tuple[int, dict[str, str], Any]:
        parts = path.split("/")
        if parts[0] == "periods":
            self.closed.add((unit, parts[1]))
            return 201, {}, {"period": parts[1], "status": "closed"}
        if len(parts) == 1:
            if len(str(form.get("amount", ""))) > BUDGET_DIGITS_MAX:
                return 422, {}, {"code": "budget-exceeded"}
            if parts[0] == "journal-vouchers" and not is_balanced(form["lines"]):
                return 422, {}, {"code": "invalid"}
            if int(form["date"][:4]) > YEAR_MAX:
                return 409, {}, {"code": "period-closed"}
            return self._made(unit, KINDS[parts[0]], form["date"])
        document = self.documents[int(parts[1])]
        match parts[2]:
            case "check" | "approve":
                return 201, {}, document
            case "pay":
                kind = "advance" if parts[0] == "advance-requests" else "payment"
                return self._made(unit, kind, form["date"])
            case _:
                return self._made(unit, "advance_clearing", form["date"])

    def _made(self, unit: int, kind: str, date: str) -> tuple[int, dict[str, str], Any]:
        if (unit, date[:7]) in self.closed:
            return 409, {}, {"code": "period-closed"}
        self.numbers[unit, kind] += 1
        document = {
            "document": len(self.documents) + 1,
            "number": self.numbers[unit, kind],
            "kind": kind,
            "period": date[:7],
            "status": "posted",
            "unit": unit,
        }
        self.documents[document["document"]] = document
        return 201, {}, document


class Target:
    """Everything the connections share."""

    def __init__(self, behaviour: dict[str, Any]) -> None:
        self.delay_s = behaviour.get("delay_ms", 0) / 1000
        self.faults = [tuple(fault) for fault in behaviour.get("faults", [])]
        self.stall = behaviour.get("stall")
        self.allows_strangers = behaviour.get("allows_strangers", False)
        self.padding = "x" * behaviour.get("padding_bytes", 200)
        text = Path(behaviour["parents"]).read_text() if "parents" in behaviour else "{}"
        self.parents = {int(unit): parent for unit, parent in json.loads(text).items()}
        self.ledger = Ledger()
        self.counts: Counter[str] = Counter()
        self.requests = 0
        self.url = ""

    def first_request(self) -> None:
        if self.stall:
            at_s, length_s = self.stall
            asyncio.get_running_loop().call_later(at_s, time.sleep, length_s)

    def fault(self) -> str:
        number = self.requests
        for name, every, start in self.faults:
            if number >= start and (number - start) % every == 0:
                return name
        return ""

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], Any]:
        path, _, query = target.partition("?")
        asked = dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair)
        account = int(headers.get("authorization", "Bearer 0").split()[-1])
        if path.startswith(("/auth", "/provider")):
            return self._sign_in(path, asked)
        if path == "/me":
            return 200, {}, {"account": account, "unit": account // 1000}
        if path.startswith("/provinces/"):
            return 200, {}, {"province": int(path.split("/")[2]), "unit": account // 1000,
                             "period": asked.get("period")}  # fmt: skip
        match = UNITS.match(path)
        if match is None:
            return 404, {}, {"code": "not-found"}
        unit = int(match[1])
        home = account // 1000
        if home not in (unit, self.parents.get(unit)) and not self.allows_strangers:
            return 403, {}, {"code": "forbidden-unit"}
        if method == "POST":
            key = headers["idempotency-key"]
            return self.ledger.post(unit, match[2], key, body)
        return 200, {}, self._read(unit, match[2], asked)

    def _sign_in(self, path: str, asked: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        if path == "/auth/login":
            return 302, {"Location": f"{self.url}/provider?state=s"}, {}
        if path == "/provider":
            return 302, {"Location": f"{self.url}/auth/callback?code={asked['login_hint']}"}, {}
        account = int(asked["code"][2:12])  # a synthetic number is 99, the account, a check digit
        return 200, {}, {"token": str(account), "account": account, "unit": account // 1000}

    def _read(self, unit: int, what: str, asked: dict[str, str]) -> Any:
        answer: dict[str, Any] = {"unit": unit, "padding": self.padding, **asked}
        if what.startswith("documents/"):
            number = int(what.split("/")[1])
            return self.ledger.documents.get(number, {"document": number, "unit": unit})
        if what == "documents":
            answer["documents"] = [{"document": 1}]
        elif what == "chart-of-accounts":
            answer["accounts"] = [{"account": "1110101"}]
        elif what in LISTS:
            answer[LISTS[what]] = []
        return answer


REASONS = {200: "OK", 201: "Created", 302: "Found", 409: "Conflict", 422: "Unprocessable"}


def message(status: int, headers: dict[str, str], body: bytes, *, version: str = "1.1") -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/{version} {status} {REASONS.get(status, 'X')}\r\n{lines}\r\n"
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One client: requests in, answers out, in order."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.buffer = b""
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.target.counts["connections"] += 1

    def data_received(self, received: bytes) -> None:
        self.buffer += received
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].decode("latin-1").split("\r\n")
            headers = {}
            for line in head[1:]:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            length = int(headers.get("content-length", 0))
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            method, path, _ = head[0].split(" ")
            self.request(method, path, headers, body)

    def request(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        target = self.target
        if path == "/control/counts":
            counts = {**target.counts, "requests": target.requests,
                      "executed_twice": sum(n > 1 for n in target.ledger.executed.values()),
                      "executed": len(target.ledger.executed)}  # fmt: skip
            self.send(200, {}, counts)
            return
        if target.requests == 0:
            target.first_request()
        target.requests += 1
        fault = target.fault()
        if fault:
            target.counts[fault] += 1
        if fault in BEFORE:
            BEFORE[fault](self)
            return
        status, extra, answer = target.answer(method, path, headers, body)
        if fault:
            AFTER[fault](self, status, extra, json.dumps(answer).encode())
        elif target.delay_s:
            loop = asyncio.get_running_loop()
            loop.call_later(target.delay_s, self.send, status, extra, answer)
        else:
            self.send(status, extra, answer)

    def send(self, status: int, headers: dict[str, str], answer: Any) -> None:
        body = json.dumps(answer).encode()
        self.write(message(status, {**headers, "Content-Length": str(len(body))}, body))

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def reset(self) -> None:
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def write_and_close(self, data: bytes) -> None:
        self.write(data)
        self.transport.close()

    def drip(self, data: bytes, pause_s: float) -> None:
        loop = asyncio.get_running_loop()
        size = max(1, len(data) // 10)
        for index, start in enumerate(range(0, len(data), size)):
            loop.call_later(index * pause_s, self.write, data[start : start + size])


def chunks(body: bytes) -> bytes:
    half = len(body) // 2
    return b"".join(b"%x;x=1\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]))


# Faults that befall a request before it is carried out, and after.
BEFORE: dict[str, Any] = {
    "reset": lambda c: c.reset(),
    "never": lambda c: None,
    "close": lambda c: c.transport.close(),
    "garbage": lambda c: c.write_and_close(b"\x16\x03\x01\x02 not HTTP at all \r\n\r\n" * 4),
    "endless_garbage": lambda c: c.write(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 300_000),
    "huge_headers": lambda c: c.write(
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(20_000)) + b"\r\n"
    ),
    "negative_length": lambda c: c.write(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
    "two_lengths": lambda c: c.write(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"
    ),
    "wrong_chunk": lambda c: c.write(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"
    ),
    "huge_length": lambda c: c.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"),
    "shed": lambda c: c.send(*SHED),
    "error500": lambda c: c.send(500, {}, {}),
    "interim_forever": lambda c: c.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "evil_redirect": lambda c: c.write(
        b"HTTP/1.1 302 Found\r\nLocation: http://a b:99999/\x00\r\nContent-Length: 0\r\n\r\n"
    ),
}
AFTER: dict[str, Any] = {
    "early_close": lambda c, s, h, b: c.write_and_close(
        message(s, {**h, "Content-Length": str(len(b) + 10)}, b)
    ),
    "answer_lost": lambda c, s, h, b: c.reset(),
    "executed_500": lambda c, s, h, b: c.send(500, {}, {}),
    "chunked": lambda c, s, h, b: c.write(
        message(s, {**h, "Transfer-Encoding": "chunked"}, chunks(b) + b"0\r\nT: 1\r\n\r\n")
    ),
    "until_close": lambda c, s, h, b: c.write_and_close(message(s, h, b)),
    "http10": lambda c, s, h, b: c.write_and_close(
        message(s, {**h, "Content-Length": str(len(b))}, b, version="1.0")
    ),
    "connection_close": lambda c, s, h, b: c.write_and_close(
        message(s, {**h, "Connection": "close", "Content-Length": str(len(b))}, b)
    ),
    # Says nothing and closes: the next request on this connection meets a closed door.
    "silent_close": lambda c, s, h, b: c.write_and_close(
        message(s, {**h, "Content-Length": str(len(b))}, b)
    ),
    "slow_body": lambda c, s, h, b: c.drip(
        message(s, {**h, "Content-Length": str(len(b))}, b), 0.01
    ),
    "interim": lambda c, s, h, b: c.write(
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        + message(s, {**h, "content-LENGTH": str(len(b))}, b)
    ),
    "extra_bytes": lambda c, s, h, b: c.write(
        message(s, {**h, "Content-Length": str(len(b))}, b + b"surprise")
    ),
    "wrong_content": lambda c, s, h, b: c.send(s, {}, {"unit": -1, "document": "nonsense"}),
    "not_json": lambda c, s, h, b: c.write(
        message(s, {**h, "Content-Length": "9"}, b"<html>\xff\xfe>")
    ),
}


async def serve(behaviour: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    target = Target(behaviour)
    tls = None
    if "certificate" in behaviour:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(behaviour["certificate"])
    server = await loop.create_server(
        lambda: Connection(target), "127.0.0.1", 0, backlog=4096, ssl=tls
    )
    scheme = "https" if tls else "http"
    target.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(json.dumps({"url": target.url}), flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), lambda: None if sys.stdin.read(1) else ended.set())
    await ended.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}))
