"""The small part of Cosmos SQL that a reader of audit records needs.

``SELECT * | VALUE COUNT(1) | c.a, c.b FROM c [WHERE c.x op value AND ...] [ORDER BY c.x [DESC]]``
with ``@parameters``. Anything else is refused as the service refuses a syntax error.
"""

from __future__ import annotations

import json
import operator
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SHAPE = re.compile(
    r"^\s*SELECT\s+(?:TOP\s+(?P<top>\d+)\s+)?(?P<what>.+?)\s+FROM\s+(?P<alias>\w+)"
    r"(?:\s+WHERE\s+(?P<where>.+?))?"
    r"(?:\s+ORDER\s+BY\s+(?P<order>[\w.]+)(?:\s+(?P<way>ASC|DESC))?)?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"^\(*\s*(?P<path>[\w.]+)\s*(?P<op>>=|<=|!=|=|>|<)\s*(?P<value>.+?)\s*\)*$")
_TRUTH = re.compile(r"^\(*\s*true\s*\)*$", re.IGNORECASE)
_ORDER_ROWS = "orderByItems"
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


class QueryError(ValueError):
    """The query is not understood."""


@dataclass(frozen=True)
class Query:
    """A parsed query."""

    what: str
    alias: str
    conditions: tuple[tuple[str, str, Any], ...]
    order: str | None
    descending: bool
    top: int | None
    text: str = field(compare=False, default="")

    def plan(self) -> dict[str, Any]:
        """Return the query plan that the gateway gives for a cross-partition ORDER BY."""
        where = re.search(
            r"\bWHERE\b(.+?)(?=\bORDER\s+BY\b|$)", self.text, re.IGNORECASE | re.DOTALL
        )
        kept = f"({where[1].strip()}) AND " if where else ""
        rewritten = (
            f'SELECT {self.alias}._rid, [{{"item": {self.order}}}] AS orderByItems, '
            f"{self.alias} AS payload\nFROM {self.alias}\n"
            f"WHERE {kept}({{documentdb-formattableorderbyquery-filter}})\n"
            f"ORDER BY {self.order}{' DESC' if self.descending else ''}"
        )
        return {
            "partitionedQueryExecutionInfoVersion": 2,
            "queryInfo": {
                "distinctType": "None",
                "top": self.top,
                "offset": None,
                "limit": None,
                "orderBy": ["Descending" if self.descending else "Ascending"],
                "orderByExpressions": [self.order],
                "groupByExpressions": [],
                "groupByAliases": [],
                "aggregates": [],
                "groupByAliasToAggregateType": {},
                "rewrittenQuery": rewritten,
                "hasSelectValue": False,
                "dCountInfo": None,
                "hasNonStreamingOrderBy": False,
            },
            "queryRanges": [
                {"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}
            ],
        }

    def run(self, documents: Iterable[dict[str, Any]]) -> list[Any]:
        """Return the rows of the query over these documents."""
        found = [d for d in documents if all(self._holds(d, c) for c in self.conditions)]
        if self.order:
            found.sort(key=lambda d: str(d["id"]))
            path = self.order
            found.sort(key=lambda d: _sortable(self._at(d, path)), reverse=self.descending)
        found = found[: self.top] if self.top is not None else found
        what = re.sub(r"\s+", " ", self.what).strip()
        if what in {"*", self.alias, f"VALUE {self.alias}"}:
            return found
        if re.fullmatch(r"VALUE COUNT\(1\)", what, re.IGNORECASE):
            return [len(found)]
        if _ORDER_ROWS in what:
            order = self.order or ""
            return [
                {
                    "_rid": d["_rid"],
                    _ORDER_ROWS: [{"item": self._at(d, order)}],
                    "payload": d,
                }
                for d in found
            ]
        names = [part.strip() for part in what.split(",")]
        return [{name.rpartition(".")[2]: self._at(d, name) for name in names} for d in found]

    def _at(self, document: dict[str, Any], path: str) -> Any:
        value: Any = document
        for part in path.split(".")[1:]:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def _holds(self, document: dict[str, Any], condition: tuple[str, str, Any]) -> bool:
        path, sign, wanted = condition
        try:
            return _OPERATORS[sign](self._at(document, path), wanted)
        except TypeError:
            return False


def _sortable(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, 0)
    return (1, value) if isinstance(value, int | float) else (2, str(value))


def parse(body: Any) -> Query:
    """Parse the body of a query request; raise QueryError where it is not understood."""
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        text = "the body is not a query"
        raise QueryError(text)
    given = {str(p.get("name")): p.get("value") for p in body.get("parameters") or []}
    text = body["query"].replace("{documentdb-formattableorderbyquery-filter}", "true")
    shape = _SHAPE.match(text)
    if shape is None:
        raise QueryError(text)
    conditions = []
    for part in re.split(r"\s+AND\s+", shape["where"] or "", flags=re.IGNORECASE):
        if not part.strip() or _TRUTH.match(part.strip()):
            continue
        found = _CONDITION.match(part.strip())
        if found is None:
            raise QueryError(part)
        conditions.append((found["path"], found["op"], _value(found["value"], given)))
    return Query(
        what=shape["what"],
        alias=shape["alias"],
        conditions=tuple(conditions),
        order=shape["order"],
        descending=(shape["way"] or "").upper() == "DESC",
        top=int(shape["top"]) if shape["top"] else None,
        text=text,
    )


def _value(text: str, given: dict[str, Any]) -> Any:
    if text.startswith("@"):
        if text not in given:
            raise QueryError(text)
        return given[text]
    if text.startswith("'") and text.endswith("'"):
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError as error:
        raise QueryError(text) from error
