"""Read an annotation file one entry at a time, whatever its size.

``json.load`` of LVIS's training annotations (1.1 GB) takes several GB of memory; this needs a few MB more than the largest entry.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Callable, NoReturn

from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import FETCH_AGAIN, DatasetRefused

BLOCK = 1 << 20
# A token cut off by the end of a block (12|34, 1.5e|+7, -Infin|ity, \u00|e9) parses as broken, or as another token, at most this many
# characters before that end. Only strings are longer, and those have an error message of their own.
TOKEN = 16
CUT_STRING = "Unterminated string"
_SPACE = re.compile(r"[ \t\n\r]*")


class Document:
    """A JSON file whose top level is an object, read from front to back.

    Args:
        path: the file, UTF-8.
        on_bytes: called with the number of bytes read so far, once a block.

    Raises:
        DatasetRefused: raised here and by all methods: the file does not exist, or is truncated or malformed; the text says where.
    """

    def __init__(self, path: str, on_bytes: Callable[[int], None] | None = None) -> None:
        self.path = path
        try:
            self._file = open(path, "rb")  # noqa: SIM115
        except FileNotFoundError:
            raise DatasetRefused(f"{path} does not exist. Run again; it is then extracted from the archive.") from None
        except OSError as error:
            self._unreadable(error)
        self._on_bytes = on_bytes
        self._bytes = 0
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._scan = json.JSONDecoder().raw_decode
        # The text read so far, from character self._passed of the file; everything before self._at has been consumed.
        self._text, self._at, self._passed, self._ended = "", 0, 0, False

    def __enter__(self) -> Document:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[str]:
        """Yield the keys of the top level. A value that the caller does not read with ``elements`` or ``value`` is skipped."""
        if self._next() != "{":
            self._fail("no object at its top level", self._at)
        self._at += 1
        seen: set[str] = set()
        ended = self._next() == "}"
        while not ended:
            key, _unused = self.value()
            if not isinstance(key, str) or self._next() != ":":
                self._fail("no key and colon", self._at)
            if key in seen:
                self._fail(f"a second {key!r}", self._at)
            seen.add(key)
            self._at += 1
            self._next()
            begin = self._passed + self._at
            yield key
            if self._passed + self._at == begin:
                self._skip()
            ended = self._ends("}")
        self._at += 1
        if self._more():
            self._fail("more after its end", self._at)

    def is_list(self) -> bool:
        """Whether the value of the current key is a list, so that ``elements`` can read it."""
        return self._next() == "["

    def elements(self) -> Iterator[tuple[Any, str]]:
        """Yield each element of the current key's list: its value, and its text as in the file."""
        if not self.is_list():
            self._fail("no list", self._at)
        self._at += 1
        ended = self._next() == "]"
        while not ended:
            yield self.value()
            ended = self._ends("]")
        self._at += 1

    def value(self) -> tuple[Any, str]:
        """Read the next value; return it with its text."""
        self._next()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._ended or not (error.msg.startswith(CUT_STRING) or error.pos > len(self._text) - TOKEN):
                    self._fail(error.msg, error.pos)
            except (ValueError, RecursionError) as error:
                # A number of thousands of digits, or thousands of brackets.
                self._fail(str(error), self._at)
            else:
                if self._ended or end <= len(self._text) - TOKEN:
                    text = self._text[self._at : end]
                    self._at = end
                    return value, text
            self._read()

    def _skip(self) -> None:
        """Skip the next value, a list element by element to save memory."""
        if not self.is_list():
            self.value()
            return
        for _unused in self.elements():
            pass

    def _ends(self, closing: str) -> bool:
        """After a value: whether the object or list ends; otherwise consume the comma."""
        character = self._next()
        if character == closing:
            return True
        if character != ",":
            self._fail(f"no ',' and no {closing!r}", self._at)
        self._at += 1
        return False

    def _next(self) -> str:
        """Return the next character that is not white space, without consuming it."""
        if not self._more():
            self._fail("it ends too early", self._at)
        return self._text[self._at]

    def _more(self) -> bool:
        """Skip white space; return whether anything follows."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text) or self._ended:
                return self._at < len(self._text)
            self._read()

    def _read(self) -> None:
        """Read a block, at least as long as the unconsumed text, so that a large entry is not rescanned for each block."""
        try:
            block = self._file.read(max(BLOCK, len(self._text) - self._at))
        except OSError as error:
            self._unreadable(error)
        self._ended = not block
        pending = len(self._utf8.getstate()[0])
        try:
            text = self._utf8.decode(block, final=self._ended)
        except UnicodeDecodeError as error:
            self._broken(f"no UTF-8, at byte {self._bytes - pending + error.start}")
        self._bytes += len(block)
        self._passed += self._at
        self._text, self._at = self._text[self._at :] + text, 0
        if self._on_bytes:
            self._on_bytes(self._bytes)

    def _fail(self, what: str, at: int) -> NoReturn:
        self._broken(f"{what}, at character {self._passed + at}")

    def _broken(self, what: str) -> NoReturn:
        raise DatasetRefused(f"{self.path} is not valid JSON ({what}). {FETCH_AGAIN.format(path=self.path)}.")

    def _unreadable(self, error: OSError) -> NoReturn:
        raise DatasetRefused(f"{self.path} cannot be read: {error.strerror}. Fix that, then run again.")
