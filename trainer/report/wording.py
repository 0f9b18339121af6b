"""Numbers and names as a person reads them, the same in every locale."""

import unicodedata

_SPACE = "\N{NO-BREAK SPACE}"
_DASH = "\N{EN DASH}"
NOTHING = _DASH  # where there is no number, such as the accuracy of a label without images
_JOINERS = "\u200c\u200d"  # spelling of some scripts, and harmless
LONGEST_NAME = 120  # characters shown of a name


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


def cut(text: str, longest: int = LONGEST_NAME) -> str:
    """Returns a text without its middle if it is too long.

    >>> cut("abcdefghij", 7)
    'abcd…ij'
    """
    if len(text) <= longest:
        return text
    tail = (longest - 1) // 3
    return f"{text[: longest - 1 - tail]}…{text[len(text) - tail :]}"


def percent(share: float, digits: int = 1) -> str:
    """Returns a share, 0 to 1, in per cent and without the sign.

    One that is neither 0 nor 1 never looks like it.

    >>> percent(0.8143, 2), percent(0.0002), percent(0.9999), percent(1.0)
    ('81.43', '<0.1', '>99.9', '100.0')
    """
    return _bounded(100 * share, 100, digits)


def ratio(value: float, digits: int = 3) -> str:
    """Returns a number from 0 to 1, such as an area under a curve; ends as in `percent`.

    >>> ratio(0.98912), ratio(0.99996)
    ('0.989', '>0.999')
    """
    return _bounded(value, 1, digits)


def _bounded(value: float, most: float, digits: int) -> str:
    step = 10.0**-digits
    if 0 < value < step / 2:
        return f"<{step:.{digits}f}"
    if most - step / 2 <= value < most:
        return f">{most - step:.{digits}f}"
    return f"{value:.{digits}f}"


def span(low: str, high: str) -> str:
    """Returns the two ends of an interval.

    >>> span("41.0", "51.3")
    '41.0–51.3'
    """
    return f"{low}{_DASH}{high}"


def count(number: float, one: str = "", many: str = "") -> str:
    """Returns a count, with its noun if one is given.

    >>> count(1348957)
    '1,348,957'
    """
    if not one:
        return f"{number:,.0f}"
    return f"{number:,.0f}{_SPACE}{one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Returns a time in the two largest units that it has.

    >>> duration(83.4).replace(chr(160), " ")
    '1 min 23 s'
    """
    if seconds < 59.5:
        return f"{seconds:.{1 if seconds < 10 else 0}f}{_SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{_SPACE}min {rest}{_SPACE}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{_SPACE}h {minutes}{_SPACE}min"


def listed(names: list[str]) -> str:
    """Returns names as a sentence lists them.

    >>> listed(["LCN", "AlexNet", "VGG-16"])
    'LCN, AlexNet and VGG-16'
    """
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
