"""Who drives which units: shares of the country that never overlap and can be dealt on.

The whole is divided by organisations: an organisation with all units below it, or a provincial
office. One person serves several of those units, and two load processes may not both sign that
person in. A share is a path: (count, index) divides the country, each further pair divides what the
one before left. So any share can be dealt to others again, and whoever reads a path alone knows its
units, without a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from scenarios.population import Population

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
DEPTH_MAX: Final = 64  # dealt on this often, a share of any country has long been empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The sessions of the units in `path` that begin `from_ns` after t0 or later."""

    path: tuple[tuple[int, int], ...] = ()
    from_ns: int = 0

    def split(self, count: int, *, from_ns: int = 0) -> tuple[Share, ...]:
        """Deal this share to *count* others, from *from_ns* after t0 on."""
        later_ns = max(self.from_ns, from_ns)
        return tuple(
            Share(path=(*self.path, (count, index)), from_ns=later_ns) for index in range(count)
        )

    def covers(self, families: Numbers | Ints, start_ns: Ints) -> Flags:
        """Say for each session, by its unit's family and start after t0, whether it is inside."""
        inside = start_ns >= self.from_ns
        left = families.astype(np.int64)
        for count, index in self.path:
            inside &= left % count == index
            left //= count
        return inside

    def as_json(self) -> dict[str, Any]:
        """Return the form that travels between processes."""
        return {"path": [list(pair) for pair in self.path], "from_ns": self.from_ns}


def share_from(content: Mapping[str, Any]) -> Share:
    """Return the share in *content*. Raises `ValueError` for anything that is none."""
    try:
        pairs = [(int(count), int(index)) for count, index in content["path"]]
        from_ns = int(content["from_ns"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a share: {content!r}") from error
    if len(pairs) > DEPTH_MAX or any(not 0 <= index < count for count, index in pairs):
        raise ValueError(f"not a share: {content!r}")
    return Share(path=tuple(pairs), from_ns=from_ns)


def families_of(population: Population, unit_rows: npt.NDArray[np.int32]) -> Numbers:
    """Return the number of the organisation, or of the provincial office, of each of *unit_rows*.

    *unit_rows* are places in `population.units`; provincial offices follow them.
    """
    units = population.units
    heads = {unit.unit: number for number, unit in enumerate(u for u in units if not u.parent)}
    own = [heads[unit.parent or unit.unit] for unit in units]
    offices_max = int(unit_rows.max(initial=0)) + 1 - len(units)
    numbers = np.concatenate([own, len(heads) + np.arange(max(0, offices_max))])
    return numbers.astype(np.int32)[unit_rows]
