"""A small web server that answers after a known time and writes an access log, as nginx would.

    python tests/fakes/logging_server.py LOG '{"delay_ms": 5, "statuses": {"/missing": 404}}'

prints {"url": ...} and serves until stdin closes. Bodies are read and answered; `stall` [at_s,
length_s] freezes the whole process that long, counted from the first request for /page. What asks
for /hang is never answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime

HEAD_MAX = 65_536


class Server:
    def __init__(self, log, behaviour):
        self.log = log
        self.delay_s = behaviour.get("delay_ms", 0) / 1e3
        self.statuses = behaviour.get("statuses", {})
        self.stall = behaviour.get("stall")
        self.first_s = 0.0

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                began_s = time.time()
                await self._answer(head, reader, writer, began_s)
        except (
            asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError,
            ConnectionError,
        ):  # fmt: skip
            pass
        finally:
            writer.close()

    async def _answer(self, head, reader, writer, began_s):
        lines = head.decode("latin-1").split("\r\n")
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", "0"))
        if length:
            await reader.readexactly(length)
        if "/page" in lines[0]:
            self._freeze()
        if "/hang" in lines[0]:
            await asyncio.Event().wait()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        method, target, _ = lines[0].split(" ", 2)
        status = self.statuses.get(target.partition("?")[0], 200)
        body = b"" if method == "HEAD" else b"hello"
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n%b" % (status, body))
        self._write(headers, lines[0], status, began_s)
        await writer.drain()

    def _freeze(self):
        self.first_s = self.first_s or time.monotonic()
        if self.stall and time.monotonic() - self.first_s >= self.stall[0]:
            length_s, self.stall = self.stall[1], None
            time.sleep(length_s)

    def _write(self, headers, line, status, began_s):
        at = datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
        agent = headers.get("user-agent", "-")
        self.log.write(
            f'127.0.0.1 - - [{at}] "{line}" {status} 5 "-" "{agent}" {time.time() - began_s:.3f}\n'
        )


async def main(log):
    behaviour = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    server = Server(log, behaviour)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=HEAD_MAX)
    port = listener.sockets[0].getsockname()[1]
    print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8", buffering=1) as access_log:
        asyncio.run(main(access_log))
