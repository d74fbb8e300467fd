"""What master and workers say to each other over Locust's own channel, beside Locust's messages.

A worker's pulse and the master's word carry the whole state of their side each time, so that one
that gets lost with a network costs a second and nothing else. Locust carries plain values.

    pulse   number, planned {plan_sha256, sessions, host, pid, where} or None, lines [[n, line]..],
            tally, done {status, error, files} or None
    word    number of the pulse (0: unasked), t0_ns on the worker's clock or 0, shares dealt on to
            it, is_stopping, refusal, release ("", "collected" or "kept")
"""

from __future__ import annotations

from typing import Final

# Worker to master.
PULSE: Final = "monthend_pulse"
CLOCK: Final = "monthend_clock"  # asked_ns as asked, received_ns, replied_ns, wall_ns
PIECE: Final = "monthend_piece"  # name, offset, content
# Master to worker.
WORD: Final = "monthend_word"
ASK_CLOCK: Final = "monthend_ask_clock"  # asked_ns
ASK_PIECE: Final = "monthend_ask_piece"  # name, offset

PULSE_INTERVAL_S: Final = 1.0
# A worker begins new sessions only for so long after the sending of the last pulse that the master
# is known to have heard; three may get lost. The master waits a little longer before it deals the
# share on, so that no session is begun twice however the network fails. (Locust's own limit for a
# silent worker is about the same, 4 s.)
TERM_S: Final = 4.0
LOST_AFTER_S: Final = TERM_S + 0.5
# A worker without a master gives up: nobody will collect what it records.
MASTER_GONE_S: Final = 15.0
