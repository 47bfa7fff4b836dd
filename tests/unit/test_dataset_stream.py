"""The streaming reader gives what json.load gives, whatever the block, and says where a file is broken."""

from __future__ import annotations

import json
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.datasets import stream
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused
from ansible_collections.codetr.provision.plugins.module_utils.datasets.stream import Document
from hypothesis import given, settings
from hypothesis import strategies as st

# All that a block's end can cut: numbers, words, escapes, letters of several bytes, spaces, brackets.
AWKWARD = (
    '{ "images" : [12, 3456789, 1.5e+7,-0.25E-3 , 10 ,true,null,false, "\\u00e9\\ud83d\\ude00\\\\\\"",\n'
    ' "h\u00e9\u20ac\U0001f600", -Infinity,'
    '[], {}, [[1, [2.5]],{"a":{"b":[ 1 ]}}]  ],"n": 1234 , "s":"x, ]", "none": [ ] ,"annotations":[{"id":1}\t,{"id":22}] } \n'
)


def write(folder: Path, text: str | bytes) -> str:
    path = folder / "file.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def whole(path: str) -> dict[str, Any]:
    """The document put together again from its pieces, each of which is parsed from its text once more."""
    found = {}
    with Document(path) as document:
        for key in document:
            if document.is_list():
                pieces = list(document.elements())
                assert repr([json.loads(text) for _, text in pieces]) == repr([value for value, _ in pieces])
                found[key] = [value for value, _ in pieces]
            else:
                value, text = document.value()
                assert repr(json.loads(text)) == repr(value)
                found[key] = value
    return found


@pytest.mark.parametrize("block", [*range(1, 60), 1 << 20])
def test_no_block_border_changes_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(stream, "BLOCK", block)
    assert whole(write(tmp_path, AWKWARD)) == json.loads(AWKWARD)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.text(max_size=8), st.lists(VALUES, max_size=6) | VALUES, max_size=6)


@settings(deadline=None)
@given(found=DOCUMENTS, block=st.integers(1, 50), plain=st.booleans(), indent=st.sampled_from([None, 0, 3]))
def test_any_document_is_read_as_json_does(found: dict[str, Any], block: int, plain: bool, indent: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "BLOCK", block)
        text = json.dumps(found, ensure_ascii=plain, indent=indent)
        assert repr(whole(write(Path(folder), text))) == repr(json.loads(text))


def test_an_entrys_text_is_as_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, '{"a": [ {"x" : 1.10,"y":"\\u00e9"} , 2.50 ]}')
    with Document(path) as document:
        assert [text for key in document for _, text in document.elements()] == ['{"x" : 1.10,"y":"\\u00e9"}', "2.50"]


def test_what_is_not_asked_for_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, '{"info": {"a": [1]}, "skip": [1, {"b": []}, "]"], "wanted": [7], "last": 5}')
    seen = {}
    with Document(path) as document:
        for key in document:
            seen[key] = [value for value, _ in document.elements()] if key == "wanted" else None
    assert seen == {"info": None, "skip": None, "wanted": [7], "last": None}


def test_every_cut_off_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BLOCK", 7)
    data = AWKWARD.rstrip().encode()
    said = r"is not valid JSON \(.+, at (character|byte) \d+\)\. Move .* away and run again"
    for length in range(len(data)):
        with pytest.raises(DatasetRefused, match=said):
            whole(write(tmp_path, data[:length]))


@pytest.mark.parametrize("block", [3, 1 << 20])
@pytest.mark.parametrize(("text", "said"), [
    ('{"images": [{"id": 1}, {"id": 2 "x": 3}], "more": [1, 2, 3, 4, 5, 6, 7, 8, 9]}', "Expecting ',' delimiter, at character 32"),
    ('{"images": [1, 2 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}', "no ',' and no ']', at character 17"),
    ('{"images": [1, 2, tru, 4, 5, 6, 7, 8, 9, 10, 11, 12]}', "Expecting value, at character 18"),
    ('{"images": [1], "images": [2]}', "a second 'images', at character"),
    ('{"images": [1] "annotations": [2]}', "no ',' and no '}', at character 15"),
    ('{"images" [1]}', "no key and colon, at character 10"),
    ('{1: [1]}', "no key and colon, at character 2"),
    ('{"images": []} x', "more after its end, at character 15"),
    ('[{"id": 1}]', "no object at its top level, at character 0"),
    ("", "it ends too early, at character 0"),
    ("<html>", "no object at its top level, at character 0"),
    ('{"images": [' + "[" * 100_000, "at character 12"),
])
def test_what_is_malformed_is_named_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str, block: int
) -> None:
    monkeypatch.setattr(stream, "BLOCK", block)
    with pytest.raises(DatasetRefused) as refusal:
        whole(write(tmp_path, text))
    assert said in str(refusal.value)


@pytest.mark.parametrize("block", [1, 4, 1 << 20])
@pytest.mark.parametrize(("data", "place"), [(b'{"a": "\xc3\xa9\xff"}', 9), (b'{"a": "\xe2\x82"}', 7), (b'{"a": "\xc3\xa9\xe2\x82', 9)])
def test_bytes_that_are_no_utf8_are_named_with_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, place: int, block: int
) -> None:
    monkeypatch.setattr(stream, "BLOCK", block)
    with pytest.raises(DatasetRefused, match=rf"no UTF-8, at byte {place}\)"):
        whole(write(tmp_path, data))


def test_a_value_that_is_no_list_has_no_elements(tmp_path: Path) -> None:
    with Document(write(tmp_path, '{"images": {"a": 1}}')) as document, pytest.raises(DatasetRefused, match="no list, at character 11"):
        for _ in document:
            list(document.elements())


def test_a_file_that_is_not_there_or_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetRefused, match=r"none\.json does not exist\. Run again"):
        Document(str(tmp_path / "none.json"))
    with pytest.raises(DatasetRefused, match="cannot be read: Is a directory"):
        Document(str(tmp_path))


def test_an_entry_of_many_blocks_is_not_scanned_once_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scanned = []
    real = json.JSONDecoder.raw_decode

    def counting(decoder: json.JSONDecoder, text: str, at: int = 0) -> Any:
        scanned.append(len(text) - at)
        return real(decoder, text, at)

    monkeypatch.setattr(json.JSONDecoder, "raw_decode", counting)
    monkeypatch.setattr(stream, "BLOCK", 100)
    for entry in ("x" * 100_000, list(range(20_000))):
        scanned.clear()
        path = write(tmp_path, json.dumps({"images": [entry]}))
        with Document(path) as document:
            assert [value for _ in document for value, _ in document.elements()] == [entry]
        assert sum(scanned) < 5 * Path(path).stat().st_size


def test_a_broken_entry_is_found_without_reading_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BLOCK", 1000)
    path = write(tmp_path, '{"images": [{"id" 1}' + ', {"id": 2}' * 10_000 + "]}")
    read: list[int] = []
    with Document(path, read.append) as document, pytest.raises(DatasetRefused):
        for _ in document:
            list(document.elements())
    assert read == [1000]


def test_progress_ends_with_the_files_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BLOCK", 50)
    read: list[int] = []
    with Document(write(tmp_path, AWKWARD), read.append) as document:
        for _ in document:
            pass
    assert read == sorted(read)
    assert read[0] == 50
    assert read[-1] == len(AWKWARD.encode())


def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BLOCK", 1 << 16)
    entry = {"id": 1, "segmentation": [[float(number) for number in range(100)]]}
    path = write(tmp_path, json.dumps({"annotations": [entry] * 10_000}))
    assert Path(path).stat().st_size > 6_000_000
    tracemalloc.start()
    try:
        with Document(path) as document:
            numbers = [sum(1 for _ in document.elements()) for _ in document]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert numbers == [10_000]
    assert peak < 1 << 20
