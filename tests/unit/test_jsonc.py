"""The JSONC editor, on texts that people write and on texts that hypothesis makes up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils import jsonc
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

NAME = "codetr: train"
OURS = {"name": NAME, "args": ["--work-dir", "wörk // no comment"], "env": {"RANK": "0"}}

GUIDE = """\
{
    // Use IntelliSense to learn about possible attributes.
    // For more information, visit: https://go.microsoft.com/fwlink/?linkid=830387
    "version": "0.2.0",
    "configurations": [


        {
            "name": "train", /* theirs, "quoted" */
            "env": {
                "MASTER_PORT": "29500",
            }
        } // the last one
    ]
}
"""


def set_ours(text: str, value: dict[str, Any] = OURS) -> str:
    return jsonc.apply(text, jsonc.set_entry(text, "configurations", {"name": NAME}, value))


def remove_ours(text: str) -> str:
    return jsonc.apply(text, jsonc.remove_entry(text, "configurations", {"name": NAME}))


def test_an_entry_is_added_after_the_last_one_and_its_comment() -> None:
    assert set_ours(GUIDE, {"name": NAME, "args": []}) == GUIDE.replace(
        "        } // the last one\n",
        '        }, // the last one\n        {\n            "name": "codetr: train",\n            "args": []\n        }\n',
    )


def test_taking_the_entry_away_gives_the_first_text_back() -> None:
    assert remove_ours(set_ours(GUIDE)) == GUIDE


def test_only_the_entry_itself_is_replaced() -> None:
    text = set_ours(GUIDE).replace("the last one", "still theirs")
    changed = set_ours(text, {**OURS, "args": ["other"]})
    before, _, after = text.partition('"wörk // no comment"')
    start = before.rindex("--work-dir") - 1
    assert changed[:start] == text[:start]
    assert changed.endswith(after.lstrip())
    assert jsonc.load(changed)["configurations"][1]["args"] == ["other"]


def test_our_entry_between_two_others_goes_with_its_line_and_leaves_the_comments() -> None:
    text = '{"configurations": [\n  {"name": "a"}, // about a\n  // about ours\n  {"name": "codetr: train"},\n  {"name": "b"},\n]}'
    assert remove_ours(text) == '{"configurations": [\n  {"name": "a"}, // about a\n  // about ours\n  {"name": "b"},\n]}'


def test_a_comment_before_the_closing_bracket_is_not_joined_with_it() -> None:
    text = '{"configurations": [1, // one\n{"name": "codetr: train"}]}'
    assert jsonc.load(remove_ours(text)) == {"configurations": [1]}


def test_a_comment_between_our_entry_and_its_comma_stays() -> None:
    text = '{"configurations": [{"name": "codetr: train"} /* why, */ , 2]}'
    assert remove_ours(text) == '{"configurations": [ /* why, */  2]}'


def test_the_style_of_a_text_is_kept() -> None:
    text = '\ufeff{\r\n\t"configurations": [\r\n\t\t{"name": "a"},\r\n\t],\r\n}\r\n'
    assert set_ours(text, {"name": NAME, "x": 1}) == (
        '\ufeff{\r\n\t"configurations": [\r\n\t\t{"name": "a"},'
        '\r\n\t\t{\r\n\t\t\t"name": "codetr: train",\r\n\t\t\t"x": 1\r\n\t\t},\r\n\t],\r\n}\r\n'
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\ufeff",
        "// only a comment",
        "/* one */\n",
        "{}",
        "{ }",
        "{ // nothing\n}",
        '{"configurations": []}',
        '{"configurations": null2}',
    ],
)
def test_a_text_with_little_in_it(text: str) -> None:
    if "null2" in text:
        with pytest.raises(jsonc.JsoncError, match="line 1, column 24: expected ',' or '}', found '2'"):
            set_ours(text)
        return
    changed = set_ours(text)
    assert changed.startswith(text.rstrip("\n {}[]")) or not text.strip("\ufeff \n")
    assert jsonc.load(changed) == {"configurations": [OURS]}
    assert set_ours(changed) == changed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the end of the text"),
        ('{"a": }', "expected a value, found '}'"),
        ('{"a" 1}', "expected ':'"),
        ("{a: 1}", "a key in double quotes"),
        ('{"a": 1 "b": 2}', "expected ',' or '}'"),
        ("{} {}", "expected nothing more"),
        ("[]", "not an object"),
        ('{"configurations": {}}', "'configurations' is not a list"),
        ('{"a": "x\n"}', "line 1, column 7"),
        ("{,}", "a key"),
        ('{"a": 01}', "expected ','"),
        ('{"a": NaN}', "a value"),
        ("{/* open", "found '/'"),
        ("[" * 5000, "nested too deeply"),
        ('{"a": [1,,]}', "a value"),
        ('{"a": "\\x"}', "a value"),
    ],
)
def test_a_text_that_is_no_jsonc_is_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(jsonc.JsoncError) as caught:
        set_ours(text)
    assert message in str(caught.value)


def test_a_key_that_stands_twice_counts_the_last_time() -> None:
    assert jsonc.apply('{"a": 1, "a": 2}', jsonc.set_key('{"a": 1, "a": 2}', "a", 3)) == '{"a": 1, "a": 3}'


def test_true_is_not_one() -> None:
    assert not jsonc.same({"a": True}, {"a": 1})
    assert jsonc.same({"a": 1, "b": 2}, {"b": 2, "a": 1})


# Texts made up: values with comments, trailing commas and white space anywhere between the tokens.
STRINGS = st.text(max_size=6) | st.sampled_from(["//", "/* */", '"', "\\", "},", NAME, "ü\u2028"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=8,
)
GAPS = st.lists(
    st.sampled_from(["", " ", "\n", "\r\n", "\t", "    ", "// c, ]}\n", "/* } , */", "/**/", "// \u00e9 \r\n"]), max_size=3
).map("".join)


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """The value as JSONC text, with drawn gaps and commas."""

    def gap() -> str:
        return draw(GAPS)

    def write(item: Any) -> str:
        if isinstance(item, dict):
            parts = [
                gap() + json.dumps(key, ensure_ascii=draw(st.booleans())) + gap() + ":" + gap() + write(inner) + gap()
                for key, inner in item.items()
            ]
        elif isinstance(item, list):
            parts = [gap() + write(inner) + gap() for inner in item]
        else:
            return json.dumps(item, ensure_ascii=False)
        opening, closing = "{}" if isinstance(item, dict) else "[]"
        return opening + ",".join(parts) + ("," if parts and draw(st.booleans()) else "") + gap() + closing

    return draw(st.sampled_from(["", "\ufeff"])) + gap() + write(value) + gap()


NAMED = st.builds(
    lambda name, rest: {**rest, "name": name}, st.sampled_from([NAME, "train", "other"]), st.dictionaries(STRINGS, VALUES, max_size=2)
)
ROOTS = st.builds(
    lambda rest, entries: {**rest, **({} if entries is None else {"configurations": entries})},
    st.dictionaries(STRINGS, VALUES, max_size=3),
    st.none() | st.lists(NAMED | VALUES, max_size=4),
)
ENTRIES = st.dictionaries(STRINGS, VALUES, max_size=3).map(lambda rest: {**rest, "name": NAME})
TEXTS = ROOTS.flatmap(lambda root: st.tuples(st.just(root), written(root)))


@given(TEXTS)
def test_what_was_written_is_read(case: tuple[Any, str]) -> None:
    root, text = case
    assert jsonc.same(jsonc.load(text), root)


@settings(max_examples=300)
@given(TEXTS, ENTRIES)
def test_setting_an_entry_changes_nothing_else(case: tuple[Any, str], value: dict[str, Any]) -> None:
    root, text = case
    assume(isinstance(root.get("configurations", []), list))
    edits = jsonc.set_entry(text, "configurations", {"name": NAME}, value)
    changed = jsonc.apply(text, edits)
    entries = list(root.get("configurations", []))
    mine = next((at for at, entry in enumerate(entries) if isinstance(entry, dict) and entry.get("name") == NAME), len(entries))
    assert jsonc.same(jsonc.load(changed), {**root, "configurations": [*entries[:mine], value, *entries[mine + 1 :]]})
    if mine == len(entries):
        assert all(edit.start == edit.end for edit in edits), "an insertion takes nothing away"
    else:
        assert all(jsonc.load(text[edit.start : edit.end])["name"] == NAME for edit in edits), "only our own text is replaced"
        assert len(edits) <= 1
    assert set_ours(changed, value) == changed


@settings(max_examples=300)
@given(TEXTS)
@example(({"configurations": [1, {"name": NAME}]}, '{"configurations": [1 // c\n, {"name": "codetr: train"}]}'))
def test_removing_an_entry_changes_nothing_else(case: tuple[Any, str]) -> None:
    root, text = case
    entries = list(root.get("configurations", []))
    mine = next((at for at, entry in enumerate(entries) if isinstance(entry, dict) and entry.get("name") == NAME), None)
    edits = jsonc.remove_entry(text, "configurations", {"name": NAME})
    if mine is None:
        assert edits == []
        return
    changed = jsonc.apply(text, edits)
    assert jsonc.same(jsonc.load(changed), {**root, "configurations": [*entries[:mine], *entries[mine + 1 :]]})
    for edit in edits:
        taken = text[edit.start : edit.end].strip().rstrip(",")
        assert edit.text == "" and (not taken or jsonc.load(taken)["name"] == NAME), "only our own text and a comma go"


@settings(max_examples=200)
@given(TEXTS, STRINGS, VALUES)
def test_setting_and_removing_a_key_changes_nothing_else(case: tuple[Any, str], key: str, value: Any) -> None:
    root, text = case
    changed = jsonc.apply(text, jsonc.set_key(text, key, value))
    assert jsonc.same(jsonc.load(changed), {**root, key: value})
    assert jsonc.set_key(changed, key, value) == []
    gone = jsonc.apply(changed, jsonc.remove_key(changed, key))
    assert jsonc.same(jsonc.load(gone), {name: inner for name, inner in root.items() if name != key})
