"""Draws collapsed stacks as an icicle: root on top, width is time. One SVG, no script, no network.

Pure text in, text out. Names come from outside and are escaped; hovering shows the whole name with
its samples. Frames too narrow to see are left out and their share is said below the picture.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape

from harness.diagnosis.stacks import Stack, Stacks, parse_frame

WIDTH: Final = 1200.0
ROW_HEIGHT: Final = 18.0
HEADER_HEIGHT: Final = 44.0
FOOTER_HEIGHT: Final = 24.0
# Below half a pixel nothing can be seen or pointed at.
WIDTH_MIN: Final = 0.6
# Of 11 px monospace, whose glyphs are 0.6 of the font's size in all common fonts.
CHARACTER_WIDTH: Final = 6.6
ROWS_MAX: Final = 120
# XML 1.0 has no way to write these at all, not even escaped.
_FORBIDDEN: Final = {
    code: "\ufffd" for code in (*range(0x20), 0xFFFE, 0xFFFF) if code not in (9, 10, 13)
}


@dataclass(slots=True)
class _Node:
    name: str
    samples: int = 0
    children: dict[str, _Node] = field(default_factory=dict)


def icicle_svg(stacks: Stacks, *, title: str, rate_hz: int = 100) -> str:
    """Return a self-contained SVG of *stacks*; *rate_hz* turns samples into seconds.

    The text can stand in a file or inside an HTML page. With no samples it says so.
    """
    root = _tree(stacks)
    if root.samples == 0:
        return _document([_text(8, 60, "no samples")], title=title, rows=1, note="")
    drawing = _Drawing(samples=root.samples, rate_hz=rate_hz)
    drawing.draw(root, 0.0)
    hidden = drawing.hidden_samples / root.samples
    note = f"{root.samples} samples, {root.samples / rate_hz:.1f} s"
    if hidden >= 0.001:
        note += f"; {hidden:.1%} in frames too narrow or too deep to draw"
    if stacks.broken_line_count:
        note += f"; {stacks.broken_line_count} unreadable lines left out"
    return _document(drawing.parts, title=title, rows=drawing.rows, note=note)


@dataclass(slots=True)
class _Drawing:
    samples: int
    rate_hz: int
    parts: list[str] = field(default_factory=list)
    rows: int = 1
    hidden_samples: int = 0

    def draw(self, root: _Node, left: float) -> None:
        """Draw *root* and all below it, without recursion: stacks may be deep."""
        waiting = [(root, left, 0)]
        while waiting:
            node, x, row = waiting.pop()
            width = node.samples / self.samples * WIDTH
            if width < WIDTH_MIN or row >= ROWS_MAX:
                self.hidden_samples += node.samples
                continue
            self.rows = max(self.rows, row + 1)
            self.parts.append(self._box(node, x, row, width))
            for child in sorted(node.children.values(), key=lambda n: n.name):
                waiting.append((child, x, row + 1))
                x += child.samples / self.samples * WIDTH

    def _box(self, node: _Node, x: float, row: int, width: float) -> str:
        y = HEADER_HEIGHT + row * ROW_HEIGHT
        hover = (
            f"{node.name}\n{node.samples} samples, {node.samples / self.rate_hz:.2f} s, "
            f"{node.samples / self.samples:.1%}"
        )
        room = int((width - 4) / CHARACTER_WIDTH)
        label = ""
        if room >= 3:
            short = node.name if len(node.name) <= room else node.name[: room - 1] + "…"
            label = _text(x + 2, y + 13, short)
        return (
            f'<g><title>{_safe(hover)}</title><rect x="{x:.2f}" y="{y:.1f}" width="{width:.2f}" '
            f'height="{ROW_HEIGHT - 1:.1f}" fill="{_colour(node.name)}"/>{label}</g>'
        )


def _tree(stacks: Stacks) -> _Node:
    root = _Node("all")
    for stack, count in stacks.counts.items():
        root.samples += count
        node = root
        for name in _names(stack):
            node = node.children.setdefault(name, _Node(name))
            node.samples += count
    return root


def _names(stack: Stack) -> list[str]:
    frames = [parse_frame(text) for text in stack]
    return [f"{f.function} ({f.place})" if f.file else f.function for f in frames]


def _colour(name: str) -> str:
    # One function keeps its colour in every picture: the colour is a checksum of its name, within
    # warm tones that black text can be read on.
    checksum = zlib.crc32(name.partition(" (")[0].encode("utf-8", "replace"))
    return f"hsl({checksum % 50 + 5},{60 + (checksum >> 8) % 30}%,{66 + (checksum >> 16) % 14}%)"


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.2f}" y="{y:.1f}">{_safe(text)}</text>'


def _safe(text: str) -> str:
    readable = text.encode("utf-8", "replace").decode("utf-8").translate(_FORBIDDEN)
    return escape(readable, {'"': "&quot;"})


def _document(parts: list[str], *, title: str, rows: int, note: str) -> str:
    height = HEADER_HEIGHT + rows * ROW_HEIGHT + FOOTER_HEIGHT
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" '
            f'width="100%" role="img" font-family="monospace" font-size="11">',
            f"<title>{_safe(title)}</title>",
            f'<rect width="{WIDTH:.0f}" height="{height:.0f}" fill="#ffffff"/>',
            f'<text x="8" y="24" font-size="15">{_safe(title)}</text>',
            *parts,
            _text(8, height - 8, note),
            "</svg>",
            "",
        )
    )
