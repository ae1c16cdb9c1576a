"""YAML as it is read: a strict subset, every value's place, and only InputError."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from rollback.errors import InputError
from rollback.loading.document import DEPTH_MAX, Document, Tree, read_document
from rollback.loading.files import BYTES_MAX


def read(text: str | bytes) -> Document:
    return read_document(text, "file.yaml", what="playbook")


def refusal(text: str | bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        read(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("", "is empty", 1),
        ("# only words\n", "is empty", 1),
        ("---\n", None, None),
        ("a: 1\nb: 2\na: 3\n", "the key `a` is already on line 1", 3),
        ("a: &x 1\n", "&x is an anchor", 1),
        ("a: 1\nb: *x\n", "*x is an alias", 2),
        ("a: !!python/object:os.system x\n", "is a tag", 1),
        ("\n<<: {a: 1}\n", "a merge key (<<)", 2),
        ("? [a]\n: 1\n", "as a key", 1),
        ("--- a\n--- b\n", "a second document", 2),
        ("a: 99999999999999999999\n", "more than 18 digits", 1),
        ("a: [1\n", "did not find expected", 2),
        ("a: b: c\n", "mapping values are not allowed", 1),
        (b"a: 1\nb: \0\n", "binary", 2),
        (b"\x89PNG\r\n\x1a\n\0\0", "binary", 3),
        (b"a: 1\nb: \xff\n", "not UTF-8", 2),
        ("a: 1\n".encode("utf-16"), "UTF-16", 1),
        ("a: \x07\n", "a character YAML does not allow", None),
        ("[" * 5000, f"nested deeper than {DEPTH_MAX}", 1),
        ("a:\n" + "".join(f"{' ' * depth}- \n" for depth in range(1, 200)), "nested deeper", None),
        ("{a: " * 5000, f"nested deeper than {DEPTH_MAX}", 1),
        ("\ud800", "surrogate", None),
        (b"#" * (BYTES_MAX + 1), "larger than", None),
    ],
)
def test_what_is_refused_names_its_line(
    text: str | bytes, problem: str | None, line: int | None
) -> None:
    if problem is None:
        assert read(text).value is None
        return
    error = refusal(text)
    said = [complaint for complaint in error.complaints if problem in complaint.problem]
    assert said, [str(complaint) for complaint in error.complaints]
    assert error.exit_status == 2
    assert said[0].file == "file.yaml"
    if line is not None:
        assert said[0].line == line


def test_all_complaints_come_at_once() -> None:
    error = refusal("a: &x 1\na: !t 2\nb: *x\n")
    assert [complaint.line for complaint in error.complaints] == [1, 2, 2, 3]


def test_a_file_full_of_complaints_ends_early() -> None:
    error = refusal("".join(f"k{number}: !t x\n" for number in range(5000)))
    assert len(error.complaints) <= 200


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("on", "on"),
        ("no", "no"),
        ("~", None),
        ("", None),
        ("null", None),
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("007", "007"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2026-11-23", "2026-11-23"),
        ("1.5", 1.5),
        ("2026.11", 2026.11),
        ("1e5", 1e5),
        ("'1e5'", "1e5"),
        ("2026.11.1", "2026.11.1"),
        (".inf", ".inf"),
        ("-", None),
        ("'12'", "12"),
        ('"true"', "true"),
        ("5m", "5m"),
    ],
)
def test_scalars_mean_what_they_say(written: str, value: object) -> None:
    if written == "-":
        assert read("a: '-'").value == {"a": "-"}
        return
    found = read(f"a: {written}\n").value["a"]
    assert found == value
    assert type(found) is type(value)


EXPONENT = re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+")
"""A number in YAML 1.2, as we read it, and text in YAML 1.1, as PyYAML writes it unquoted."""

TEXTS = st.text(max_size=8).filter(lambda text: not EXPONENT.fullmatch(text))
TREES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(TREES, st.booleans())
def test_what_yaml_writes_is_read_back(tree: Tree, flow: bool) -> None:
    text = yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=False, sort_keys=False)
    try:
        found = read(text).value
    except InputError as error:  # the dumper anchors what occurs twice; nothing else is refused
        assert any("n anchor" in complaint.problem for complaint in error.complaints)  # noqa: PT017
        return
    assert found == tree


@given(TREES.filter(lambda tree: isinstance(tree, (dict, list))), st.booleans())
def test_marks_are_where_the_value_starts(tree: Tree, flow: bool) -> None:
    """Against PyYAML's own composed nodes, which know their places too."""
    text = yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=False, sort_keys=False)
    node = yaml.compose(text, Loader=yaml.CSafeLoader)
    try:
        document = read(text)
    except InputError:
        return
    assert node is not None
    for path, line, column in _places(node, ()):
        assert document.where(path) == (line + 1, column + 1), path


def _places(
    node: yaml.Node, path: tuple[str | int, ...]
) -> list[tuple[tuple[str | int, ...], int, int]]:
    if isinstance(node, yaml.MappingNode):
        found = []
        for key, value in node.value:
            inner = (*path, key.value)
            found.append((inner, key.start_mark.line, key.start_mark.column))
            found += _places(value, inner)[0 if not isinstance(value, yaml.ScalarNode) else 1 :]
        return found
    if isinstance(node, yaml.SequenceNode):
        found = []
        for position, value in enumerate(node.value):
            inner = (*path, position)
            found.append((inner, value.start_mark.line, value.start_mark.column))
            found += _places(value, inner)[0 if not isinstance(value, yaml.ScalarNode) else 1 :]
        return found
    return [(path, node.start_mark.line, node.start_mark.column)]


@given(st.text())
@example("%TAG ! !x\n--- !a b")
@example("{? }")
@example("- - -\n -")
@example("a: |\n  b\n c: d")
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except InputError as error:
        assert error.complaints  # noqa: PT017 - both ends are right; only another error is not


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read(data)
    except InputError as error:
        assert error.complaints  # noqa: PT017
