"""Numbers as a person reads them, the same in every locale."""

_SPACE = "\N{NO-BREAK SPACE}"


def count(number: int, one: str = "", many: str = "") -> str:
    """Returns a count, with its noun if one is given.

    >>> count(1348957)
    '1,348,957'
    """
    if not one:
        return f"{number:,}"
    return f"{number:,}{_SPACE}{one if number == 1 else many or one + 's'}"


def percent(share: float) -> str:
    """Returns a share, 0 to 1, in per cent; one that is not 0 never looks like it."""
    if 0 < share < 0.001:
        return f"<{_SPACE}0.1{_SPACE}%"
    return f"{100 * share:.1f}{_SPACE}%"


def size(number: float) -> str:
    """Returns a number of bytes in decimal units."""
    unit = "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 1000:
            break
        number, unit = number / 1000, larger
    return f"{number:.{0 if unit == 'bytes' else 1}f}{_SPACE}{unit}"


def duration(seconds: float) -> str:
    """Returns a time in the two largest units that it has."""
    if 0 < seconds < 0.005:
        return f"<{_SPACE}0.01{_SPACE}s"
    if seconds < 59.5:
        return f"{seconds:.2f}{_SPACE}s" if seconds < 10 else f"{seconds:.0f}{_SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{_SPACE}min {rest}{_SPACE}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{_SPACE}h {minutes}{_SPACE}min"


def rate(number: float, seconds: float) -> str:
    """Returns how many there were in a second."""
    if seconds <= 0:
        return "–"
    value = number / seconds
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def copies(quota: float) -> str:
    """Returns the expected copies of an image.

    >>> copies(13.0)
    '13'
    """
    return f"{quota:,.2f}".rstrip("0").rstrip(".")


def moment(iso: str) -> str:
    """Returns a time of the ISO form as a person writes it.

    >>> moment("2024-05-06T07:08:09+00:00")
    '2024-05-06 07:08:09 UTC'
    """
    return iso.replace("T", " ").replace("+00:00", " UTC")
