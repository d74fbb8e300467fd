"""Tokens of the people who signed in before the window, packed: 72,000 in about their own size.

Read once from the sessions file (`account,token`); tokens won during the run are kept beside it.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from scenarios.engine.order import BadLoadOrder


class TokenBook:
    """Account -> token; "" for who has none. `won` are those given during the run, "" for lost."""

    __slots__ = ("_accounts", "_ends", "_text", "won")

    def __init__(self) -> None:
        self._accounts = np.empty(0, dtype=np.int64)
        self._ends = np.empty(0, dtype=np.int64)
        self._text = ""
        self.won: dict[int, str] = {}

    @classmethod
    def read(cls, path: Path) -> TokenBook:
        """Read the sessions file. Raises `BadLoadOrder` naming file and line."""
        book = cls()
        tokens: dict[int, str] = {}
        try:
            with path.open(encoding="ascii", newline="") as file:
                for line, row in enumerate(csv.reader(file), start=1):
                    if line == 1 and row[:1] == ["account"]:
                        continue
                    account = _account(path, line, row)
                    tokens[account] = row[1]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise BadLoadOrder(
                what=f"the sessions file cannot be read: {error}",
                where=str(path),
                mend="give the file that `reference_app fill` wrote, or none",
            ) from error
        accounts = sorted(tokens)
        book._accounts = np.array(accounts, dtype=np.int64)
        book._ends = np.cumsum([len(tokens[account]) for account in accounts], dtype=np.int64)
        book._text = "".join([tokens[account] for account in accounts])
        return book

    def token(self, account: int) -> str:
        """Return the token of *account*, "" when there is none."""
        won = self.won.get(account)
        if won is not None:
            return won
        place = int(self._accounts.searchsorted(account))
        if place == len(self._accounts) or self._accounts[place] != account:
            return ""
        start = int(self._ends[place - 1]) if place else 0
        return self._text[start : int(self._ends[place])]

    def keep(self, account: int, token: str) -> None:
        """Remember the token that *account* just won."""
        self.won[account] = token

    def forget(self, account: int) -> None:
        """Have *account* sign in again."""
        self.won[account] = ""


def _account(path: Path, line: int, row: list[str]) -> int:
    is_token = len(row) == 2 and 0 < len(row[1]) < 8192 and row[1].isprintable()
    if not is_token or not row[0].isdigit() or len(row[0]) > 18:
        raise BadLoadOrder(
            what="not a row of account,token",
            where=f"{path}:{line}",
            mend="give the file that `reference_app fill` wrote, or none",
        )
    return int(row[0])
