"""Numbers of observables as terminals and pages write them, by unit."""

WRITERS: dict[str, tuple[float, str]] = {
    "usd": (1e-9, " bn"),
    "mw": (1.0, " MW"),
    "h100e": (1e-6, " m"),
    "months": (1.0, " mo"),
    "users_million": (1.0, " m"),
}
"""Factor and suffix by unit; shares and prices are written otherwise."""
MINUS = "-"
LEAST_SHOWN = 0.001


def written(value: float, unit: str) -> str:
    """Return a value with its unit.

    Examples
    --------
    >>> written(0.574, "share"), written(1.5, "usd_per_h100e_hour"), written(4.2e10, "usd")
    ('57%', '$1.50', '$42.0 bn')
    """
    return _with(value, unit)


def signed(value: float, unit: str) -> str:
    """Return a difference with its sign and unit; of shares in percentage points.

    Examples
    --------
    >>> signed(-0.059, "share"), signed(0.25, "usd_per_h100e_hour"), signed(0.0, "mw")
    ('-5.9 pp', '+$0.25', '0 MW')
    """
    if unit == "share":
        return f"{_sign(value)}{_digits(abs(value) * 100)} pp"
    return _sign(value) + _with(abs(value), unit)


def bare(value: float, unit: str) -> str:
    """Return a difference with its sign and without its unit, for ranges.

    Examples
    --------
    >>> bare(-0.088, "share"), bare(120.0, "mw")
    ('-8.8', '+120')
    """
    factor = 100.0 if unit == "share" else WRITERS.get(unit, (1.0, ""))[0]
    if unit.startswith("usd_per"):
        return f"{_sign(value)}{abs(value):.2f}"
    return _sign(value) + _digits(abs(value) * factor)


def _with(value: float, unit: str) -> str:
    minus = MINUS if value < 0 else ""
    size = abs(value)
    if unit == "share":
        return f"{minus}{size:.0%}"
    if unit.startswith("usd_per"):
        return f"{minus}${size:.2f}"
    factor, suffix = WRITERS.get(unit, (1.0, ""))
    money = "$" if unit == "usd" else ""
    return f"{minus}{money}{_digits(size * factor)}{suffix}"


def _sign(value: float) -> str:
    return MINUS if value < 0 else "+" if value > 0 else ""


def _digits(size: float) -> str:
    """Return a size with about three digits."""
    if size == 0:
        return "0"
    if size >= 10_000:
        return f"{size / 1_000:,.0f}k" if size >= 100_000 else f"{size / 1_000:.1f}k"
    if size >= 100:
        return f"{size:,.0f}"
    if size >= 1:
        return f"{size:.1f}"
    return f"{size:.2g}" if size >= LEAST_SHOWN else "0.00"
