"""Addresses of our own to connect from, when one has not ports enough for a target on this machine.

Between two addresses there are as many connections as local ports, 28,232 by default on Linux. The
whole of 127.0.0.0/8 is this machine, so on loopback a person may have an address of their own. To
any other target the machine's addresses are what they are.
"""

from __future__ import annotations

import socket as patched_socket
from typing import Any, Final

from scenarios.chance import mix

# Long before they run out: the kernel looks for a free port one by one, and with 19,000 connections
# from one address to one target each new one costs 330 us of its time, with 10,000 none that can be
# measured (November 2026, Linux 6.18).
PORTS_PER_ADDRESS: Final = 10_000
# Have the kernel choose the port at connect, when it knows the other end: linux/in.h, since 4.2.
IP_BIND_ADDRESS_NO_PORT: Final = 24


class SourceAddresses:
    """Spreads connections over 127.64.0.0/10, one address per person."""

    __slots__ = ("_bound",)

    def __init__(self) -> None:
        self._bound = 0

    def bind(self, socket: Any, person: int) -> None:
        """Have *socket* connect from the address of *person* (0: of nobody, the next in turn)."""
        self._bound += 1
        socket.setsockopt(patched_socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        socket.bind((source_address(person or self._bound), 0))


def source_address(person: int) -> str:
    """Return the loopback address of *person*: the same always, never .0 or .255 at its end."""
    bits = mix(person)
    return f"127.{64 + (bits & 63)}.{(bits >> 8) & 255}.{1 + (bits >> 16) % 254}"
