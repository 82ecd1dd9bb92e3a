"""Names, lists and dates as people typed them, made comparable.

Two forms of a name: the *display* form (trimmed, accents and case kept) and the *folded* form used to compare.
"""

import json
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

import orjson

MAX_NAME = 120
MAX_NAMES = 200
NOTHING = frozenset({"", "null", "none", "nil", "nan", "undefined", "n/a"})


@lru_cache(maxsize=65_536)
def fold(text: str) -> str:
    """The form of a name used to compare it: no accents, no case, single inner spaces.

    Compatibility decomposition (NFKD, Unicode Standard Annex 15), combining marks removed, casefolded, until it stays.

    >>> fold("  Improvisación  Teatral ")
    'improvisacion teatral'
    """
    previous = None
    while text != previous:
        previous = text
        marked = unicodedata.normalize("NFKD", text)
        text = "".join(c for c in marked if not unicodedata.combining(c)).casefold()
    return " ".join(text.split())


def tidy(value: object) -> str | None:
    """The display form of a text: control characters gone, inner spaces single, trimmed; None when nothing is left.

    >>> tidy("  Bogotá\\x00 \\n D.C. ")
    'Bogotá D.C.'
    """
    if not isinstance(value, str):
        return None
    text = value if value.isascii() else unicodedata.normalize("NFC", value)
    if not text.isprintable():
        text = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join(text.split()) or None


def parse_list(value: object) -> list[str]:
    """The names in a list-like cell, in display form, each once (compared by `fold`), in order of appearance.

    Takes a JSON array, a JSON string (of a JSON array, too), text separated by commas, a Python sequence, or nothing.
    Garbage gives an empty list, never an error: names without a letter or digit, numbers, objects and names of more
    than 120 characters are left out, and at most 200 names are read.

    >>> parse_list('["Guitar", "guitar ", "Piano"]'), parse_list("canto, Baile"), parse_list("{broken")
    (['Guitar', 'Piano'], ['canto', 'Baile'], [])
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, str):
        return distinct(_split(value))
    return distinct(value) if isinstance(value, Iterable) and not isinstance(value, dict) else []


def distinct(values: Iterable[object]) -> list[str]:
    """The usable names among values, in display form, each once by its folded form."""
    found: dict[str, str] = {}
    for value in values:
        if isinstance(value, str) and (named := _name(value)):
            found.setdefault(*named)
            if len(found) == MAX_NAMES:
                break
    return list(found.values())


@lru_cache(maxsize=65_536)
def _name(text: str) -> tuple[str, str] | None:
    """The folded and the display form of a name; None when it is none."""
    name = tidy(text)
    if name is None or len(name) > MAX_NAME or not any(c.isalnum() for c in name):
        return None
    folded = fold(name)
    return None if folded in NOTHING else (folded, name)


def _split(text: str, depth: int = 0) -> Sequence[object]:
    text = text.strip()
    if text[:1] in ("[", "{", '"'):
        try:
            parsed = _parsed(text)
        except (ValueError, RecursionError):
            return [] if text.startswith("{") else _pieces(text)
        if isinstance(parsed, str) and depth < 3:
            return _split(parsed, depth + 1)
        return parsed if isinstance(parsed, list) else []
    return _pieces(text)


def _parsed(text: str) -> object:
    """JSON; what the fast parser refuses (NaN, a lone surrogate, deep nesting) is left to the lenient one."""
    try:
        return orjson.loads(text)
    except (ValueError, UnicodeError):
        return json.loads(text)


def _pieces(text: str) -> list[object]:
    """Text separated by commas; the brackets and quotes of a list cut short or written by hand are taken off."""
    return [piece.strip(" \t\r\n[]'\"\\") for piece in text.split(",")]
