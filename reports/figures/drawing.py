"""Drawing surface of all figures: matplotlib in, one clean SVG with real Thai and English text out.

matplotlib never sees a word: every label goes in as an ASCII token and is replaced in the SVG by
two text elements, one per language, of which the page shows one. So no Thai font is needed to build
a report, nothing from a folder is ever read as mathematics, and both languages share one drawing.
The SVG has no ids but those it refers to, no style sheet, no metadata and nothing to load.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable
from typing import Any, Final
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from contracts.terms import Bilingual
from reports.formats import clock, decimal, shown

WIDTH_PT: Final = 760.0
INK: Final = "#1c2b3a"
MUTED: Final = "#5b6875"
GRID: Final = "#e3e7eb"
EDGE: Final = "#b9c2ca"
LIMIT: Final = "#8c1d22"
FAULT_BAND: Final = "#f3d9d3"
UNMEASURED_BAND: Final = "#f0f2f4"

# One hue per operation kind, told apart also in greyscale and by the common colour blindnesses
# (after Okabe and Ito 2008, darkened for text on white).
KIND_COLOURS: Final = {
    "read": "#1f5a9c",
    "post": "#a3471c",
    "report": "#5d4a99",
    "login": "#1d7357",
    "export": "#7d6312",
    "import": "#2f6f86",
    "provider": "#5b6875",
    "probe": "#8a3d6b",
}

# Labels of a figure are short; a folder's own names are cut to fit.
LABEL_CHARACTERS_MAX: Final = 60

_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "monthend",
    "font.size": 9.5,
    "axes.edgecolor": EDGE,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "round",
    "path.simplify": True,
}
_SVG: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "http://www.w3.org/1999/xlink"
_TOKEN: Final = re.compile(r"@@(\d+)@@")
_LONG_NUMBER: Final = re.compile(r"-?\d+\.\d{2,}")
_FONT_FAMILY: Final = re.compile(r"font-family:[^;]*;?\s*")
_REFERENCE: Final = re.compile(r"url\(#([^)]+)\)")


class Canvas:
    """One figure being drawn. *height_pt* is the height of the whole drawing."""

    def __init__(self, *, height_pt: float, width_pt: float = WIDTH_PT) -> None:
        with mpl.rc_context(_STYLE):
            self.figure = Figure(figsize=(width_pt / 72, height_pt / 72), dpi=72)
        self.width_pt = width_pt
        self.height_pt = height_pt
        self._texts: list[Bilingual] = []

    def say(self, text: Bilingual) -> str:
        """Return the token that stands for *text* until the SVG is written."""
        self._texts.append(text)
        return f"@@{len(self._texts) - 1}@@"

    def axes(
        self, *, left_pt: float, bottom_pt: float, width_pt: float, height_pt: float, **options: Any
    ) -> Axes:
        """Return axes at a place given in points from the lower left corner."""
        place = (left_pt / self.width_pt, bottom_pt / self.height_pt,
                 width_pt / self.width_pt, height_pt / self.height_pt)  # fmt: skip
        with mpl.rc_context(_STYLE):
            return self.figure.add_axes(place, facecolor="none", **options)

    def write(self, x_pt: float, y_pt: float, text: Bilingual, **options: Any) -> None:
        """Put a text at a place given in points from the lower left corner."""
        self.figure.text(x_pt / self.width_pt, y_pt / self.height_pt, self.say(text), **options)

    def svg(self, name: str) -> Markup:
        """Return the drawing as an SVG element whose ids start with *name*."""
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with mpl.rc_context(_STYLE):
            self.figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
        root = ElementTree.fromstring(buffer.getvalue())
        _strip(root)
        self._speak(root)
        _name_ids(root, name)
        for attribute in ("width", "height", "version"):
            root.attrib.pop(attribute, None)
        root.set("class", "figure")
        root.set("aria-hidden", "true")  # the caption and the table beside it say the same
        return Markup(_written(root))

    def _speak(self, root: ElementTree.Element) -> None:
        """Replace every token by one text element per language."""
        for parent in list(root.iter()):
            for place, child in reversed(list(enumerate(parent))):
                if not child.tag.endswith("}text"):
                    continue
                style = _FONT_FAMILY.sub("", child.get("style", "")).strip().rstrip(";")
                child.set("style", style.replace("font: ", "font-size: "))
                if child.get("transform", "").startswith("rotate(-0 "):
                    del child.attrib["transform"]
                token = _TOKEN.fullmatch((child.text or "").strip())
                if token is None:
                    continue
                spoken = self._texts[int(token[1])]
                parent.remove(child)
                for language, text in (("en", spoken.en), ("th", spoken.th)):
                    twin = ElementTree.Element(child.tag, {**child.attrib, "lang": language})
                    twin.text = shown(text, LABEL_CHARACTERS_MAX)
                    parent.insert(place, twin)


def time_axis(
    axes: Axes, *, last_s: float, canvas: Canvas, label: Bilingual | None, first_s: float = 0.0
) -> None:
    """Set an x axis of the time since the start of the load, *first_s* to *last_s*, as m:ss."""
    axes.set_xlim(first_s, last_s)
    axes.xaxis.set_major_locator(_ClockLocator(last_s - first_s))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: clock(value)))
    axes.grid(False, axis="x")
    if label is None:
        axes.tick_params(labelbottom=False)
    else:
        axes.set_xlabel(canvas.say(label), labelpad=5)


def count_axis(axes: Axes) -> None:
    """Set a y axis from 0 with few, round, separated numbers."""
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: decimal(value)))


def log_axis(axes: Axes, which: str, bounds: tuple[float, float]) -> None:
    """Set a logarithmic axis from the power of ten below to the one above *bounds*."""
    if which == "y":
        axes.set_yscale("log")
        axes.set_ylim(*bounds)
    else:
        axes.set_xscale("log")
        axes.set_xlim(*bounds)
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_locator(LogLocator(base=10, numticks=9))
    axis.set_major_formatter(FuncFormatter(lambda value, _: decimal(value)))
    axis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()


def decades(values: Iterable[float]) -> tuple[float, float]:
    """Return the powers of ten around all positive finite *values*; 1..1,000 when there is none."""
    positive = [value for value in values if 0 < value < float("inf")]
    if not positive:
        return 1.0, 1_000.0
    low = 10.0 ** _floor_log10(min(positive))
    high = 10.0 ** (_floor_log10(max(positive) * 0.999999) + 1)
    return low, max(high, low * 10)


def _floor_log10(value: float) -> int:
    return math.floor(math.log10(value))


class _ClockLocator(MaxNLocator):
    """Ticks at round clock times: 10 s, 30 s, 1 min, 5 min, 1 h and their like."""

    _STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200,
                86_400)  # fmt: skip
    _TICKS_MAX = 10

    def __init__(self, length_s: float) -> None:
        super().__init__()
        fitting = (step for step in self._STEPS_S if length_s / step <= self._TICKS_MAX)
        self._step_s = float(next(fitting, max(1.0, length_s / self._TICKS_MAX)))

    def tick_values(self, vmin: float, vmax: float) -> Any:
        first = int(vmin // self._step_s)
        last = min(int(vmax // self._step_s), first + 4 * self._TICKS_MAX)
        return [place * self._step_s for place in range(first, last + 1)]


def _strip(root: ElementTree.Element) -> None:
    """Drop matplotlib's own style sheet and metadata, and shorten the numbers to 1/100 pt."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
        for name in ("d", "x", "y", "transform", "points"):
            if name in parent.attrib:
                text = " ".join(parent.attrib[name].split())
                parent.set(name, _LONG_NUMBER.sub(lambda m: f"{float(m[0]):.1f}", text))
        if "style" in parent.attrib:
            parent.set("style", parent.attrib["style"].replace("; ", ";").replace(": ", ":"))
    root.set("style", "stroke-linejoin:round;stroke-linecap:butt")


def _name_ids(root: ElementTree.Element, name: str) -> None:
    """Keep only ids that something refers to, each starting with *name*: one page, many figures."""
    wanted: set[str] = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            wanted.update(_REFERENCE.findall(value))
            if key == f"{{{_XLINK}}}href":
                wanted.add(value[1:])
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in wanted:
            element.set("id", f"{name}-{own}")
        for key, value in list(element.attrib.items()):
            if key == f"{{{_XLINK}}}href":
                del element.attrib[key]
                element.set("href", f"#{name}-{value[1:]}")
            else:
                element.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", value))


def _written(root: ElementTree.Element) -> str:
    """Return the element as HTML takes it: SVG without prefixes, prolog or empty lines."""
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        if element.text is not None and not element.text.strip():
            element.text = None
        element.tail = None
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)
