"""Mutants by leaving out: a statement, a member of a list of names, what a block stands within.

cosmic-ray changes operators and numbers. What a guard is made of, beside comparisons, is statements
that must happen (latch, then raise) and lists that must be whole (every header that makes a write).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, TypeGuard

Mutated = tuple[str, str]
"""Operator, source."""

NOTHING: Final = "__import__('contextlib').nullcontext()"


def mutants(source: str) -> Iterator[Mutated]:
    """Every mutant of a file, by its own operators."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    raw = source.encode()

    def put(node: ast.expr | ast.stmt, text: str) -> str:
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        return (raw[:start] + text.encode() + raw[end:]).decode()

    for node in ast.walk(ast.parse(source)):
        if _done(node):
            yield "left-out/statement", put(node, "pass")
        elif isinstance(node, ast.Set | ast.Tuple) and _names(node):
            for member in node.elts:
                yield "left-out/member", put(member, '"\\x00"')
        elif isinstance(node, ast.With) and node.items[0].optional_vars is None:
            yield "left-out/with", put(node.items[0].context_expr, NOTHING)


def _done(node: ast.AST) -> TypeGuard[ast.stmt]:
    """True for a statement that does something to what is there already; not for a docstring."""
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign):
        return not isinstance(node.targets[0], ast.Name)
    return isinstance(node, ast.AugAssign)


def _names(node: ast.Set | ast.Tuple) -> bool:
    """True for a list of names, of which one could be forgotten."""
    return bool(node.elts) and all(
        isinstance(member, ast.Constant) and isinstance(member.value, str) for member in node.elts
    )
