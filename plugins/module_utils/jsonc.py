"""Edit one value of a JSONC text (JSON with comments and trailing commas, as VS Code keeps its settings) and leave every other byte alone.

The text is parsed into nodes that know where they stand; an edit is a list of replaced spans. Standard library only, Python 3.8 and up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

BOM = "\ufeff"
UNIT = "    "
# The strings of JSON hold no control characters, but editors let a tab through: what is not ours to judge stays as it is.
STRING = re.compile(r'"(?:[^"\\\n\r]|\\[^\n\r])*"')
WORD = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null")
TRIVIA = re.compile(r"(?:[ \t\r\n]+|//[^\n\r]*|/\*.*?\*/)+", re.S)


class JsoncError(ValueError):
    """The text is not JSONC, or not of the shape that the edit needs. The message says where, and what was found."""


@dataclass
class Node:
    """A value and where it stands: ``text[start:end]``.

    Attributes:
        children: the members of an object or the items of a list, in their order.
        keys: an object's keys, beside ``children``.
        key_starts: where each key begins.
        commas: for each child, the place after the comma that follows it, or None.
    """

    start: int
    end: int = 0
    value: Any = None
    children: list[Node] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    key_starts: list[int] = field(default_factory=list)
    commas: list[int | None] = field(default_factory=list)

    def outer(self, index: int) -> int:
        """Where the child begins, its key included."""
        return self.key_starts[index] if self.key_starts else self.children[index].start

    def member(self, key: str) -> int | None:
        """The place of a key among the children; of a key that stands twice the last one, which is the one that counts."""
        return max((at for at, name in enumerate(self.keys) if name == key), default=None)


@dataclass(frozen=True)
class Edit:
    """``text[start:end]`` becomes ``text``."""

    start: int
    end: int
    text: str


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 1 if text.startswith(BOM) else 0

    def fail(self, wanted: str) -> JsoncError:
        line = self.text.count("\n", 0, self.at) + 1
        column = self.at - (self.text.rfind("\n", 0, self.at) + 1) + 1
        found = repr(self.text[self.at]) if self.at < len(self.text) else "the end of the text"
        return JsoncError(f"line {line}, column {column}: expected {wanted}, found {found}")

    def next(self) -> str:
        trivia = TRIVIA.match(self.text, self.at)
        if trivia:
            self.at = trivia.end()
        return self.text[self.at : self.at + 1]

    def document(self) -> Node | None:
        if not self.next():
            return None
        node = self.node()
        if self.next():
            raise self.fail("nothing more")
        return node

    def node(self) -> Node:
        opening = self.next()
        if opening in ("{", "["):
            return self.group("}" if opening == "{" else "]")
        start = self.at
        if opening == '"':
            return Node(start, value=self.string("a value"), end=self.at)
        word = WORD.match(self.text, self.at)
        if not word:
            raise self.fail("a value")
        self.at = word.end()
        return Node(start, value=json.loads(word.group()), end=self.at)

    def string(self, wanted: str) -> str:
        token = STRING.match(self.text, self.at)
        try:
            value = json.loads(token.group(), strict=False) if token else None
        except ValueError:
            value = None
        if token is None or not isinstance(value, str):
            raise self.fail(wanted)
        self.at = token.end()
        return value

    def group(self, closing: str) -> Node:
        node = Node(self.at)
        self.at += 1
        while self.next() != closing:
            if node.commas and node.commas[-1] is None:
                raise self.fail(f"',' or '{closing}'")
            if closing == "}":
                node.key_starts.append(self.at)
                node.keys.append(self.string("a key in double quotes or '}'"))
                if self.next() != ":":
                    raise self.fail("':'")
                self.at += 1
            node.children.append(self.node())
            comma = self.next() == ","
            self.at += comma
            node.commas.append(self.at if comma else None)
        self.at += 1
        node.end = self.at
        values = [child.value for child in node.children]
        node.value = dict(zip(node.keys, values)) if closing == "}" else values
        return node


def parse(text: str) -> Node | None:
    """The root node, or None where there is nothing but white space and comments.

    Raises:
        JsoncError: the text is not JSONC.
    """
    try:
        return _Parser(text).document()
    except RecursionError:
        raise JsoncError("its values are nested too deeply") from None


def load(text: str) -> Any:
    """The text's value; an empty text is an empty object, as VS Code reads it."""
    root = parse(text)
    return {} if root is None else root.value


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits carried out. They do not overlap."""
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def set_key(text: str, key: str, value: Any) -> list[Edit]:
    """The edits after which the root object's ``key`` has ``value``; none where it has it already."""
    root = _root(text)
    if root is None:
        return [_document(text, {key: value})]
    at = root.member(key)
    if at is not None:
        return _replace(text, root, at, value)
    return _append(text, root, value, key)


def set_entry(text: str, list_key: str, match: dict[str, Any], value: dict[str, Any]) -> list[Edit]:
    """The edits after which the first object in the list ``list_key`` that has all of ``match``, or else a new last one, is ``value``."""
    items = _items(text, list_key)
    if items is None:
        return set_key(text, list_key, [value])
    at = find(items, match)
    return _append(text, items, value) if at is None else _replace(text, items, at, value)


def remove_key(text: str, key: str) -> list[Edit]:
    """The edits after which the root object has no ``key``."""
    root = _root(text)
    at = None if root is None else root.member(key)
    return [] if root is None or at is None else _remove(text, root, at)


def remove_entry(text: str, list_key: str, match: dict[str, Any]) -> list[Edit]:
    """The edits after which the first object in the list ``list_key`` that has all of ``match`` is gone."""
    items = _items(text, list_key)
    at = None if items is None else find(items, match)
    return [] if items is None or at is None else _remove(text, items, at)


def find(items: Node, match: dict[str, Any]) -> int | None:
    """The place of the first item that is an object and has all keys and values of ``match``."""
    for at, child in enumerate(items.children):
        if isinstance(child.value, dict) and all(key in child.value and same(child.value[key], value) for key, value in match.items()):
            return at
    return None


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON; true is not 1, and the order of keys does not count."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _root(text: str) -> Node | None:
    root = parse(text)
    if root is not None and not isinstance(root.value, dict):
        raise JsoncError("its outermost value is not an object")
    return root


def _items(text: str, list_key: str) -> Node | None:
    root = _root(text)
    at = None if root is None else root.member(list_key)
    if root is None or at is None:
        return None
    if not isinstance(root.children[at].value, list):
        raise JsoncError(f"{list_key!r} is not a list")
    return root.children[at]


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _indent(text: str, at: int) -> str:
    """The white space that the line of ``at`` begins with."""
    line = text[max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1 : at].lstrip(BOM)
    return line[: len(line) - len(line.lstrip(" \t"))]


def _leads(text: str, at: int) -> bool:
    """Whether only white space stands before ``at`` in its line."""
    return not text[max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1 : at].strip(BOM + " \t")


def _unit(text: str) -> str:
    """What one level of the text is indented by."""
    root = parse(text)
    if root is None or not root.children or not _leads(text, root.outer(0)):
        return UNIT
    return _indent(text, root.outer(0))[len(_indent(text, root.start)) :] or UNIT


def _dump(text: str, value: Any, indent: str) -> str:
    return json.dumps(value, indent=_unit(text), ensure_ascii=False).replace("\n", _newline(text) + indent)


def _document(text: str, value: Any) -> Edit:
    """The text has no value yet: one goes to its end."""
    newline = _newline(text)
    gap = newline if text.strip(BOM) and not text.endswith(("\n", "\r")) else ""
    return Edit(len(text), len(text), gap + _dump(text, value, "") + newline)


def _replace(text: str, parent: Node, at: int, value: Any) -> list[Edit]:
    child = parent.children[at]
    if same(child.value, value):
        return []
    return [Edit(child.start, child.end, _dump(text, value, _indent(text, parent.outer(at))))]


def _append(text: str, parent: Node, value: Any, key: str | None = None) -> list[Edit]:
    """The value becomes the last child, in the manner of the one before it, and after the comments that follow that one."""
    newline, base, unit = _newline(text), _indent(text, parent.start), _unit(text)
    last = len(parent.children) - 1
    indent = _indent(text, parent.outer(last)) if last >= 0 and _leads(text, parent.outer(last)) else base + unit
    inside = text[parent.start + 1 : parent.end - 1]
    place = parent.end - 1 - (len(inside) - len(inside.rstrip(" \t\r\n")))
    added = newline + indent + (json.dumps(key, ensure_ascii=False) + ": " if key is not None else "") + _dump(text, value, indent)
    edits = []
    if last >= 0 and parent.commas[last] is None:
        edits.append(Edit(parent.children[last].end, parent.children[last].end, ","))
    elif last >= 0:
        added += ","
    if not re.search(r"[\r\n]", text[place : parent.end - 1]):
        added += newline + base
    return [Edit(place, place, "," + added)] if edits and edits[0].start == place else [*edits, Edit(place, place, added)]


def _remove(text: str, parent: Node, at: int) -> list[Edit]:
    """The child goes, with the comma that it needs no longer and the line that would be left empty; comments beside it stay."""
    start, child = parent.outer(at), parent.children[at]
    comma = parent.commas[at]
    edits = []
    if comma is None and at > 0:
        edits.append(Edit(parent.commas[at - 1] - 1, parent.commas[at - 1], ""))  # type: ignore[operator, arg-type]
    elif comma is not None and text[child.end : comma - 1].strip():
        # a comment stands between the value and its comma
        edits.append(Edit(comma - 1, comma, ""))
        comma = None
    end = comma or child.end
    rest = re.match(r"[ \t]*(?=[\r\n])", text[end:])
    line = re.search(r"(?:\r\n|\n|\r)[ \t]*\Z", text[:start])
    if rest and line:
        start, end = line.start(), end + rest.end()
    return [*edits, Edit(start, end, "")]
