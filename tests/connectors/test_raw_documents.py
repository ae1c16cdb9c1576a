"""Documents are cut out of a page byte for byte, whatever they hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.connectors.raw_documents import document_lines, documents

SPACE = st.text(" \t\n\r", max_size=3)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=5), st.dictionaries(st.text(), VALUES, max_size=3), SPACE,
       st.booleans(), st.booleans())  # fmt: skip
def test_each_slice_is_what_was_written(
    items: list[Any], around: dict[str, Any], space: str, ascii_only: bool, last: bool
) -> None:
    around.pop("Documents", None)

    def written(value: Any) -> str:
        return json.dumps(value, ensure_ascii=ascii_only, separators=(f"{space},", f": {space}"))

    # Lone surrogates cannot stand in UTF-8; the service cannot send them unescaped.
    slices = [written(item) for item in items]
    array = f"[{space}{f'{space},{space}'.join(slices)}{space}]"
    members = [f"{json.dumps(name)}{space}:{space}{written(around[name])}" for name in around]
    members.insert(len(members) if last else 0, f'"Documents"{space}:{space}{array}')
    body = f"{space}{{{space}{f'{space},{space}'.join(members)}{space}}}{space}".encode()
    assert [*map(bytes, documents(body))] == [one.encode() for one in slices]


@given(st.lists(VALUES, max_size=5), st.booleans())
def test_a_page_becomes_lines(items: list[Any], counted: bool) -> None:
    slices = [json.dumps(item).encode() for item in items]
    count = b',"_count":%d' % len(items) if counted else b""
    page = b'{"_rid":"r","Documents":[%b]%b}' % (b",".join(slices), count)
    assert document_lines(page) == (b"".join(one + b"\n" for one in slices), len(items))


@given(st.binary(max_size=60) | st.text('{}[]",:Documents 1\\', max_size=40).map(str.encode))
def test_anything_else_is_a_value_error(body: bytes) -> None:
    try:
        found = tuple(map(bytes, documents(body)))
    except ValueError:
        return
    assert [json.loads(one) for one in found] == json.loads(body)["Documents"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"Documents":[1,]}',
        b'{"Documents":[1],}',
        b'{"Documents":[1]',
        b'{"Documents":[1]} x',
        b'{"Documents":[1],"Documents":[2]}',
        b'{"Documents":{"0":1}}',
        b'{"a":{"Documents":[1]}}',
        b'{"Documents":[' + b"[" * 100_000,
    ],
)
def test_a_page_that_is_not_whole_has_no_documents(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        documents(body)
    assert not isinstance(caught.value, RecursionError)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"_rid":"r","Documents":[],"_count":0}', ()),
        (b'{"_rid":"r","Documents":[1,{"Documents":[2]}],"_count":2}', (b"1", b'{"Documents":[2]}')),
        (b'{"Documents":[1,2]}', (b"1", b"2")),
        (b'{"_rid":"r","Documents":[1 ,2],"x":[],"_count":2}', (b"1", b"2")),
        (b'{"_rid":"r","Documents":["]}","],"],"_count":2}', (b'"]}"', b'"],"')),
    ],
)
def test_a_page_as_the_service_writes_it(body: bytes, told: tuple[bytes, ...]) -> None:
    assert tuple(map(bytes, documents(body))) == told


@pytest.mark.parametrize(
    "body",
    [
        b'{"Documents":[1],"Documents":[2]}',
        b'{"_rid":"r","Documents":[1],"Documents":[1],"_count":1}',
        b'{"_rid":"r","Documents":[1],"D\\u006fcuments":[2],"_count":1}',
    ],
)
def test_documents_that_stand_twice_are_refused_however_they_are_written(body: bytes) -> None:
    with pytest.raises(ValueError, match="twice"):
        documents(body)
