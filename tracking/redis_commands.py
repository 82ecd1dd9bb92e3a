"""What is said to Redis, as its protocol writes it: commands, scripts by their names, templates packed once."""

from hashlib import sha1
from operator import itemgetter
from typing import Any

import hiredis

Argument = str | bytes | int | float
Command = tuple[Argument, ...]
pack: Any = hiredis.pack_command  # its own annotation knows commands of one word only


class Script:
    """A Lua script, sent by its name and, to a Redis that does not know it yet, as a whole."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.name = sha1(source.encode(), usedforsecurity=False).hexdigest()


class Template:
    """Commands whose constant words are packed once. Words that begin with `$` are given later, in the order of their
    first places; each goes to every place of its name.

    >>> Template("GET $key", "EXPIRE $key 60").pack(b"a")
    b'*2\\r\\n$3\\r\\nGET\\r\\n$1\\r\\na\\r\\n*3\\r\\n$6\\r\\nEXPIRE\\r\\n$1\\r\\na\\r\\n$2\\r\\n60\\r\\n'
    """

    def __init__(self, *commands: str) -> None:
        self.count, names, packed = len(commands), list[str](), b""
        for words in map(str.split, commands):
            packed += b"*%d\r\n" % len(words)
            for word in words:
                packed += b"$%d\r\n%b\r\n" if word[0] == "$" else _bulk(word.encode()).replace(b"%", b"%%")
                names += [word] if word[0] == "$" else []
        given = list(dict.fromkeys(names))
        places = [given.index(name) for name in names]
        self._format = packed
        # of all lengths and then all words, those of each place: in C, because a request does this thrice
        self._pick = itemgetter(*(at for place in places for at in (place, len(given) + place)))

    def pack(self, *words: bytes) -> bytes:
        """The commands with these words."""
        packed: bytes = self._format % self._pick((*map(len, words), *words))
        return packed


def _bulk(word: bytes) -> bytes:
    """A word as Redis' protocol writes it."""
    return b"$%d\r\n%b\r\n" % (len(word), word)
