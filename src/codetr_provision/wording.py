"""Format durations, estimates, counts and sizes, the same everywhere."""

from __future__ import annotations


def seconds(value: float) -> str:
    """A duration in seconds as a person writes it: 0.4 s, 12 s, 4 min 05 s, 1 h 02 min."""
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


# Verbs whose last consonant doubles before -ing.
DOUBLED = {"get", "let", "plan", "put", "quit", "run", "set", "stop", "cut", "skip", "strip", "trim", "wrap", "map", "log", "pin"}


def doing(name: str) -> str:
    """A task's imperative name as what is being done: `Write the SBOM` is `writing the SBOM`. Other names stay as they are."""
    verb, space, rest = name.partition(" ")
    if not (space and verb.isalpha() and verb.istitle()) or verb.endswith("ing"):
        return name
    verb = verb.lower()
    if verb in DOUBLED:
        verb += verb[-1]
    elif verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        verb = verb[:-1]
    return f"{verb}ing {rest}"


def left(value: float | None) -> str:
    """An estimate of the time left; empty when there is none. Coarse, because the rate of a build is not steady."""
    if value is None:
        return ""
    if value < 10:
        return "a few seconds left"
    if value < 90:
        return f"about {round(value / 10) * 10:.0f} s left"
    return f"about {round(value / 60):.0f} min left"


def count(value: int, noun: str, plural: str = "") -> str:
    """1 host, 2 hosts, 1,203 classes."""
    return f"{value:,} {noun if value == 1 else plural or f'{noun}s'}"


def number(value: int) -> str:
    """A whole number with separators: 1,203."""
    return f"{value:,}"


def size(value: float) -> str:
    """A number of bytes as a person writes it: 1.50 GiB, 12.3 MiB, 0.4 KiB, 0 bytes."""
    if value >= 2**30:
        return f"{value / 2**30:,.2f} GiB"
    if value >= 2**20:
        return f"{value / 2**20:.1f} MiB"
    return f"{value / 2**10:.1f} KiB" if value else "0 bytes"


def short(text: str, most: int = 24) -> str:
    """A name shortened to `most` characters."""
    return text if len(text) <= most else f"{text[:most - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"
