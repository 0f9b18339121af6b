"""Building blocks of a page. Text is text and markup is `Html`: no other way in."""

import html
import unicodedata
from collections.abc import Iterable, Sequence

_VOID = frozenset({"img", "input", "link", "meta"})
_JOINERS = "\u200c\u200d"  # spelling of some scripts, and harmless
_LONGEST = 120  # characters shown of a name; a catalog has the rest


class Html(str):
    """Markup. A plain `str` is text, which `element` escapes."""

    __slots__ = ()


def visible(text: str) -> str:
    """Returns a text with its control characters written out, bidirectional ones too.

    Nothing that a name holds may turn round, hide or break the text beside it.

    >>> visible("a" + chr(0x202E) + "b")
    'a[U+202E]b'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"[U+{ord(character):04X}]"
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        and character not in _JOINERS
        else character
        for character in text
    )


def cut(text: str, longest: int = _LONGEST) -> str:
    """Returns a text without its middle if it is too long.

    >>> cut("abcdefghij", 7)
    'abcd…ij'
    """
    if len(text) <= longest:
        return text
    tail = (longest - 1) // 3
    return f"{text[: longest - 1 - tail]}…{text[len(text) - tail :]}"


def element(name: str, /, *children: str, **attributes: str) -> Html:
    """Returns an element; children that are not `Html` are escaped, attributes always.

    An attribute's name may end in "_", as Python's own words must; another "_" is a "-".

    >>> element("td", "a < b", class_="number")
    '<td class="number">a &lt; b</td>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"'
        for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{joined(children)}</{name}>")


def joined(parts: Iterable[str], between: str = "") -> Html:
    """Returns parts one after the other, escaped where they are not `Html`."""
    markup = (part if isinstance(part, Html) else _escaped(part) for part in parts)
    return Html(_escaped(between).join(markup))


def given(text: str, longest: int = _LONGEST) -> Html:
    """Returns a text that came from outside: cut, and kept from turning round its neighbours."""
    return element("bdi", cut(text, longest))


def code_block(lines: Iterable[str]) -> Html:
    """Returns lines of a program."""
    return element("pre", element("code", Html("\n".join(map(_escaped, lines)))))


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, foot: Sequence[str] = ()
) -> Html:
    """Returns a table; the first cell of each row is its heading.

    Args:
        caption: what the table shows.
        head: headings of the columns.
        rows: cells of each row.
        foot: cells of a last row, if any.
    """
    heads = (element("th", cell, scope="col") for cell in head)
    parts = [
        element("caption", caption),
        element("thead", element("tr", *heads)),
        element("tbody", *map(_row, rows)),
    ]
    if foot:
        parts.append(element("tfoot", _row(foot)))
    return element("table", *parts)


def bar(share: float, *, crystal: bool = False) -> Html:
    """Returns a bar for a number that stands beside it.

    Args:
        share: its length, 0 to 1.
        crystal: whether it is drawn in the colour of crystals.
    """
    kind = "fill crystal" if crystal else "fill"
    fill = element("span", class_=kind, style=f"width:{100 * share:.2f}%")
    return element("span", fill, class_="bar", aria_hidden="true")


def measure(number: str, share: float, *, crystal: bool = False) -> Html:
    """Returns a number with its bar; arguments as of `bar`."""
    shown = element("span", number, class_="number")
    return element("span", shown, bar(share, crystal=crystal), class_="measure")


def _row(cells: Sequence[str]) -> Html:
    first, *others = cells
    return element(
        "tr", element("th", first, scope="row"), *(element("td", cell) for cell in others)
    )


def _escaped(text: str) -> str:
    return html.escape(visible(text), quote=True)
