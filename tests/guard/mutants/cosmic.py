"""Mutants that cosmic-ray makes, one JSON line each: ``TOOL/bin/python cosmic.py FILE...``.

Run by the Python that cosmic-ray is installed in, so that neither this project's environment nor its
lock holds it. Nothing but cosmic-ray and the standard library is imported.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

LEFT_OUT: Final = re.compile(
    r"core/(?:"
    r"ReplaceBinaryOperator_BitOr_.*"
    r"|ReplaceComparisonOperator_Eq_(?:Lt|Gt|Is|IsNot)"
    r"|ReplaceComparisonOperator_NotEq_(?:LtE|GtE|Is|IsNot)"
    r"|ReplaceComparisonOperator_Is_(?:Eq|NotEq|Lt|LtE|Gt|GtE)"
    r"|ReplaceComparisonOperator_IsNot_(?:Eq|NotEq|Lt|LtE|Gt|GtE)"
    r"|ReplaceComparisonOperator_(?:Gt|GtE|Lt|LtE)_(?:Is|IsNot)"
    r")"
)
"""Two groups of operators are left out.

- `X | Y` stands in annotations only, which nothing evaluates.
- Comparisons that another mutant of the same place implies: a test that finds `==` for `!=` finds
  `==` for `<`, `>` and `is not`; one that finds `!=` for `==` finds it for `<=` and `>=`.
"""


def main() -> int:
    """Write every mutant of every named file, as path, operator and source."""
    from cosmic_ray.ast import ast_nodes, get_ast  # type: ignore[import-not-found]
    from cosmic_ray.mutating import mutate_code  # type: ignore[import-not-found]
    from cosmic_ray.plugins import get_operator, operator_names  # type: ignore[import-not-found]

    kinds = {name: get_operator(name) for name in operator_names() if not LEFT_OUT.fullmatch(name)}
    plain: dict[str, Any] = {name: kind() for name, kind in kinds.items() if not kind.arguments()}
    for path in sys.argv[1:]:
        source = Path(path).read_text(encoding="utf-8")
        nodes = list(ast_nodes(get_ast(source)))
        for name, operator in plain.items():
            places = sum(len(list(operator.mutation_positions(node))) for node in nodes)
            for place in range(places):
                mutated = mutate_code(source, operator, place)
                sys.stdout.write(
                    json.dumps({"path": path, "operator": name, "source": mutated}) + "\n"
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
