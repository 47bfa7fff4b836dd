"""An annotation file read piece by piece: one image, annotation or category at a time, whatever the file's size.

``json.load`` of LVIS's training annotations (1.1 GB) takes several GB of memory; this takes a few MB more than the largest entry.
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
# A token cut off by the end of what has been read (12|34, 1.5e|+7, -Infin|ity, \u00|e9) is taken for broken, or for another token, at
# most this many characters before that end. Only strings are longer, and there the error has a name of its own.
TOKEN = 16
CUT_STRING = "Unterminated string"
_SPACE = re.compile(r"[ \t\n\r]*")


class Document:
    """A JSON file whose top level is an object, read from front to back.

    Args:
        path: the file, UTF-8.
        on_bytes: called with the number of bytes read so far, once a block.

    Raises:
        DatasetRefused: from here and from all methods: there is no such file, or it is cut off or malformed; the text says where.
    """

    def __init__(self, path: str, on_bytes: Callable[[int], None] | None = None) -> None:
        self.path = path
        try:
            self._file = open(path, "rb")  # noqa: SIM115
        except FileNotFoundError:
            raise DatasetRefused(f"There is no {path}. Run again: it is then made anew from the archive.") from None
        except OSError as error:
            self._unreadable(error)
        self._on_bytes = on_bytes
        self._bytes = 0
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._scan = json.JSONDecoder().raw_decode
        # The text from character self._passed of the file on, as far as it is read; all before self._at in it is done with.
        self._text, self._at, self._passed, self._ended = "", 0, 0, False

    def __enter__(self) -> Document:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[str]:
        """The keys of the top level as they come. A value that is not read, with ``elements`` to its end or ``value``, is passed over."""
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
                self._pass_over()
            ended = self._ends("}")
        self._at += 1
        if self._more():
            self._fail("more after its end", self._at)

    def is_list(self) -> bool:
        """Whether the value of the present key is a list, so that ``elements`` can read it."""
        return self._next() == "["

    def elements(self) -> Iterator[tuple[Any, str]]:
        """Each element of the list that the present key has: its value, and its text as it is in the file."""
        if not self.is_list():
            self._fail("no list", self._at)
        self._at += 1
        ended = self._next() == "]"
        while not ended:
            yield self.value()
            ended = self._ends("]")
        self._at += 1

    def value(self) -> tuple[Any, str]:
        """The whole value that comes next, and its text."""
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

    def _pass_over(self) -> None:
        """A list element by element: nobody needs it as a whole."""
        if not self.is_list():
            self.value()
            return
        for _unused in self.elements():
            pass

    def _ends(self, closing: str) -> bool:
        """After a value: whether the object or list ends here. Where it goes on, the next value is what comes next."""
        mark = self._next()
        if mark == closing:
            return True
        if mark != ",":
            self._fail(f"no ',' and no {closing!r}", self._at)
        self._at += 1
        return False

    def _next(self) -> str:
        """The next character that is no space. It stays the next one."""
        if not self._more():
            self._fail("it ends too early", self._at)
        return self._text[self._at]

    def _more(self) -> bool:
        """Whether anything but space is left. Then it is what comes next."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text) or self._ended:
                return self._at < len(self._text)
            self._read()

    def _read(self) -> None:
        """Read on: at least as much again as waits already, so that an entry of many MB is not scanned from its start for each block."""
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
        raise DatasetRefused(f"{self.path} is no JSON that can be read ({what}). {FETCH_AGAIN.format(path=self.path)}.")

    def _unreadable(self, error: OSError) -> NoReturn:
        raise DatasetRefused(f"{self.path} cannot be read: {error.strerror}. Mend that, then run again.")
