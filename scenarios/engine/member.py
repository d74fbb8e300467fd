"""A worker's side of a load on several machines: it plans, reports, and follows its master's word.

New sessions are a worker's to begin only for a term that the master renews with every pulse it
hears (`scenarios.engine.messages`). A worker that the master cannot hear therefore stops beginning
sessions before the master gives them to others; what is in progress goes on.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final

import gevent
import numpy as np
import numpy.typing as npt

from contracts.terms import OperationKind
from scenarios.engine import messages
from scenarios.engine.collecting import logs_of, read_piece
from scenarios.engine.director import NEVER_NS
from scenarios.engine.order import BadLoadOrder, LoadOrder, order_of
from scenarios.engine.tally import Tally
from scenarios.shares import Share, share_from

LINES_MAX: Final = 1_000  # kept for a master that does not answer; one is said each second
PULSES_KEPT: Final = 60
STATUS_NOT_CARRIED_OUT: Final = 2
STATUS_BAD_SETUP: Final = 3

log = logging.getLogger("monthend")


@dataclass(slots=True)
class Engagement:
    """One load as its worker sees it. `lines` are (number, pulse that carries it, line)."""

    order: LoadOrder | None = None
    stop: Callable[[], None] = lambda: None
    renewed_ns: int = 0
    planned: dict[str, Any] | None = None
    done: dict[str, Any] | None = None
    tally: Tally = field(default_factory=Tally)
    lines: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)
    said: int = 0
    number: int = 0
    sent_ns: dict[int, int] = field(default_factory=dict)
    t0_ns: int = 0
    dealt: list[Share] = field(default_factory=list)
    taken: int = 0
    is_stopping: bool = False
    release: str = ""


class Member:
    """One worker process for as long as it lives; it may serve several loads one after another.

    It is the director of its load process. *give_up* ends the process: (line, status).
    """

    has_fellows = True

    def __init__(
        self, runner: Any, *, own_out: str, own_sessions: str, give_up: Callable[[str, int], None]
    ) -> None:
        self._runner = runner
        self._own_out = own_out
        self._own_sessions = own_sessions
        self._give_up = give_up
        self._contact_ns = monotonic_ns()
        self._pulse: Any = None
        self._load = Engagement()
        for name, handler in (
            (messages.WORD, self._on_word),
            (messages.ASK_CLOCK, self._on_ask_clock),
            (messages.ASK_PIECE, self._on_ask_piece),
        ):
            runner.register_message(name, listener(handler))
        gevent.spawn(self._watch_master)

    def order_from(self, options: Any) -> LoadOrder:
        """Return this worker's part of the order that came with Locust's start of the test.

        A worker that joined late is in no deal: it becomes a spare. Raises `BadLoadOrder`.
        """
        content = dict(getattr(options, "monthend_order", {}))
        deal = getattr(options, "monthend_deal", {})
        if not content:
            raise BadLoadOrder(
                what="there is none", where="order of the master", mend="see the master's log"
            )
        position = deal.get(self._runner.client_id)
        index = len(deal) + self._runner.worker_index if position is None else int(position)
        folder = Path(self._own_out or f"runs/{content['out_dir']}")
        content |= {
            "out_dir": str(folder / f"worker-{index}"),
            "process_index": index,
            "process_count": len(deal),
            "is_spare": position is None,
        }
        if self._own_sessions:
            content["sessions_csv"] = self._own_sessions
        return order_of(content, where="order of the master")

    def begin(self, order: LoadOrder, stop: Callable[[], None]) -> None:
        """Start the pulse of a new load, which *stop* stops."""
        self._end_pulse()
        self._load = Engagement(order=order, stop=stop, renewed_ns=monotonic_ns())
        self._pulse = gevent.spawn(self._beat)

    def finish(self, *, status: int, error: str) -> None:
        """Tell the master that this load is over here, and which logs it may fetch."""
        files: list[Any] = []
        if self._load.order is not None:
            place = (self._load.order.out_dir, self._load.order.process_index)
            files = gevent.get_hub().threadpool.apply(logs_of, place)
        self._load.done = {"status": status, "error": error, "files": [list(one) for one in files]}
        self._send_pulse()

    def count(
        self, samples: npt.NDArray[np.void], operations: Sequence[tuple[str, OperationKind]]
    ) -> None:
        """Count the recorded samples of this load for the master's display."""
        self._load.tally.add(samples, operations)

    @property
    def is_released(self) -> bool:
        """Whether the master has said that it needs nothing more of this load."""
        return self._load.release != ""

    # The load process's director.

    def t0_ns(self) -> int:
        """Return when the master said to begin, on this machine's clock; 0 before it did."""
        return self._load.t0_ns

    def take_shares(self) -> Sequence[Share]:
        """Return what the master dealt to this worker since the last call."""
        taken, self._load.taken = self._load.dealt[self._load.taken :], len(self._load.dealt)
        return taken

    def arrivals_until_ns(self) -> int:
        """Return the end of this worker's term."""
        if self._load.order is None or not self._load.order.takes_over:
            return NEVER_NS
        return self._load.renewed_ns + int(messages.TERM_S * 1e9)

    def tell(self, event: Mapping[str, Any]) -> None:
        """Keep what the load process says for the next pulse."""
        self._load.said += 1
        self._load.lines.append((self._load.said, self._load.number + 1, dict(event)))
        del self._load.lines[:-LINES_MAX]
        if event["event"] == "ready" and self._load.order is not None:
            host = socket.gethostname()
            self._load.planned = {
                "plan_sha256": event["plan_sha256"], "sessions": event["sessions"], "host": host,
                "pid": os.getpid(), "where": f"{host}:{self._load.order.out_dir.resolve()}",
            }  # fmt: skip
            self._send_pulse()

    # What the master says.

    def heard_master(self) -> None:
        """Note that the master lives."""
        self._contact_ns = monotonic_ns()

    def _on_word(self, word: Mapping[str, Any]) -> None:
        self.heard_master()
        number = int(word["number"])
        self._load.renewed_ns = max(self._load.renewed_ns, self._load.sent_ns.pop(number, 0))
        self._load.lines = [line for line in self._load.lines if line[1] > number]
        self._load.t0_ns = int(word["t0_ns"])
        self._load.dealt = [share_from(share) for share in word["shares"]]
        if word["refusal"] and self._pulse is not None:
            self._end_pulse()
            gevent.spawn(self._give_up, str(word["refusal"]), STATUS_BAD_SETUP)
        elif word["is_stopping"] and not self._load.is_stopping:
            self._load.is_stopping = True
            gevent.spawn(self._load.stop)
        if word["release"] and not self._load.release:
            self._let_go(str(word["release"]))

    def _on_ask_clock(self, question: Mapping[str, Any]) -> None:
        answer = {"asked_ns": question["asked_ns"], "received_ns": monotonic_ns()}
        answer |= {"wall_ns": time.time_ns(), "replied_ns": monotonic_ns()}
        self._say(messages.CLOCK, answer)

    def _on_ask_piece(self, question: Mapping[str, Any]) -> None:
        if self._load.order is not None:
            name, offset = str(question["name"]), int(question["offset"])
            content = read_piece(self._load.order.out_dir, name, offset)
            self._say(messages.PIECE, {"name": name, "offset": offset, "content": content})

    def _let_go(self, release: str) -> None:
        self._end_pulse()
        self._load.release = release
        if release == "collected" and self._load.order is not None:
            # The master has every byte, by its SHA-256: a second copy would only fill the disk.
            for one in logs_of(self._load.order.out_dir, self._load.order.process_index):
                (self._load.order.out_dir / one.name).unlink(missing_ok=True)

    # Keeping in touch.

    def _beat(self) -> None:
        while True:
            self._send_pulse()
            gevent.sleep(messages.PULSE_INTERVAL_S)

    def _send_pulse(self) -> None:
        self._load.number += 1
        oldest = self._load.number - PULSES_KEPT
        self._load.sent_ns = {n: at for n, at in self._load.sent_ns.items() if n > oldest}
        self._load.sent_ns[self._load.number] = monotonic_ns()
        pulse = {
            "number": self._load.number,
            "planned": self._load.planned,
            "lines": [[said, line] for said, _, line in self._load.lines],
            "tally": self._load.tally.packed(),
            "done": self._load.done,
        }
        self._say(messages.PULSE, pulse)

    def _watch_master(self) -> None:
        while True:
            gevent.sleep(messages.PULSE_INTERVAL_S)
            silent_s = (monotonic_ns() - self._contact_ns) / 1e9
            if silent_s > messages.MASTER_GONE_S:
                break
        self._end_pulse()
        self._load.stop()
        kept = self._load.order.out_dir if self._load.order and not self.is_released else None
        lies = f"; what was recorded lies in {kept}" if kept else ""
        self._give_up(
            f"the master is gone, silent for {silent_s:.0f} s{lies}", STATUS_NOT_CARRIED_OUT
        )

    def _say(self, name: str, data: dict[str, Any]) -> None:
        try:
            self._runner.send_message(name, data)
        except Exception as error:  # Locust mends its own connection; a lost pulse costs the term
            log.warning("%s did not reach the master: %s", name, error)

    def _end_pulse(self) -> None:
        if self._pulse is not None:
            self._pulse.kill(block=False)
            self._pulse = None


def listener(handler: Callable[[Mapping[str, Any]], None]) -> Callable[..., None]:
    """Return *handler* in the form that Locust calls; a broken message is a line in the log."""

    def listen(msg: Any, **_: Any) -> None:
        try:
            handler({**(msg.data or {}), "from": msg.node_id})
        except (KeyError, TypeError, ValueError, OSError) as error:
            log.error("a message cannot be followed: %s: %s: %s", msg.type, type(error), error)

    return listen
