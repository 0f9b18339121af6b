"""Figures of matplotlib as SVG: the same bytes each time, on a page of any colours.

Text stays text, in the reader's font. Nothing is kept between calls: neither pyplot's figures
nor changed settings.
"""

import contextlib
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# The colours of the page in light, by the names of its stylesheet: a figure on the page takes the
# stylesheet's colour instead, which is another one in the dark.
COLOURS = {
    "ink": "#1c2226",
    "muted": "#56616a",
    "line": "#d9dedf",
    "page": "#fbfbf9",
    "track": "#e8ecec",
    "crystal": "#b8651b",
    "crystal-text": "#955011",
    "look": "#7a3d00",
    "run-0": "#2a6f9b",
    "run-1": "#b5541c",
    "run-2": "#2f8a57",
    "run-3": "#9c3a78",
    "run-4": "#6f5fb8",
    "run-5": "#86741a",
    "run-6": "#4b5a68",
    "run-7": "#c23d45",
}
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name may hold a dollar sign
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": False,
    "font.family": "DejaVu Sans",  # measures the text; matplotlib ships it
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "text.color": COLOURS["ink"],
    "axes.edgecolor": COLOURS["muted"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.titlecolor": COLOURS["ink"],
    "axes.linewidth": 0.7,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.7,
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
}


def colour(number: int) -> str:
    """Returns the colour of a run, by its place in the report."""
    return COLOURS[f"run-{number % 8}"]


def dash(number: int) -> Any:
    """Returns the line style of a run: neighbours differ without colour too."""
    return _DASHES[(number + number // 8) % len(_DASHES)]


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Gives the project's look to figures that are made and drawn inside."""
    with mpl.rc_context(_STYLE):
        yield


def to_svg(figure: Figure, key: str) -> str:
    """Returns a figure as an SVG document; equal figures and keys give equal bytes."""
    stream = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": key}):
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(stream, metadata=metadata)  # Figure.savefig would draw twice
    return stream.getvalue().replace("'DejaVu Sans'", _FONTS)


def inline(document: str, key: str, alt: str) -> str:
    """Returns an SVG document as an element of a page.

    Its ids are the page's own from then on (`key` tells them apart), its colours the
    stylesheet's, its size that of the place where it stands.
    """
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    root = ET.fromstring(document)  # noqa: S314 - to_svg wrote it
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    _rename_ids(root, key)
    for attribute in ("width", "height"):
        root.attrib.pop(attribute, None)
    root.attrib.update({"role": "img", "aria-label": alt})
    text = ET.tostring(root, encoding="unicode")
    names = {value: name for name, value in COLOURS.items()}
    pattern = "|".join(names)
    return re.sub(pattern, lambda found: f"var(--{names[found.group()]})", text)


def _rename_ids(root: ET.Element, key: str) -> None:
    """Keeps ids that something refers to, with a prefix, and drops the others."""
    link = f"{{{_XLINK}}}href"
    used = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            used.update(re.findall(r"url\(#([^)]+)\)", value))
            if name == link:
                used.add(value.removeprefix("#"))
    for element in root.iter():
        if (own := element.attrib.pop("id", None)) in used and own is not None:
            element.set("id", f"{key}-{own}")
        for name, value in list(element.attrib.items()):
            if name == link:
                element.set(name, f"#{key}-{value.removeprefix('#')}")
            elif "url(#" in value:
                element.set(name, value.replace("url(#", f"url(#{key}-"))
