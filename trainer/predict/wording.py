"""Numbers and names as a person reads them, the same in every locale."""

import unicodedata

_SPACE = "\N{NO-BREAK SPACE}"
_JOINERS = "\u200c\u200d"  # spelling of some scripts, and harmless


def shown(text: str, longest: int = 80) -> str:
    """Returns a name that came from outside, fit to stand beside other text.

    What is too long loses its middle; control characters are written out, bidirectional ones
    too, so that no name turns round, hides or breaks what stands beside it.

    >>> shown("a" + chr(0x202E) + "b"), shown("abcdefghij", 7)
    ('a[U+202E]b', 'ab…ghij')
    """
    if len(text) > longest:
        head = (longest - 1) // 3  # names of files differ at their end
        text = f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"[U+{ord(character):04X}]"
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        and character not in _JOINERS
        else character
        for character in text
    )


def percent(share: float) -> str:
    """Returns a share, 0 to 1, in per cent; one that is neither 0 nor 1 never looks like it.

    >>> [percent(share).replace(_SPACE, " ") for share in (0.8143, 0.0002, 0.9999, 1.0)]
    ['81.4 %', '<0.1 %', '>99.9 %', '100.0 %']
    """
    value = 100 * share
    text = "<0.1" if 0 < value < 0.05 else ">99.9" if 99.95 <= value < 100 else f"{value:.1f}"
    return f"{text}{_SPACE}%"


def count(number: int, one: str = "") -> str:
    """Returns a count, with its noun if one is given.

    >>> count(1348957), count(2, "image").replace(_SPACE, " ")
    ('1,348,957', '2 images')
    """
    if not one:
        return f"{number:,}"
    return f"{number:,}{_SPACE}{one if number == 1 else one + 's'}"
