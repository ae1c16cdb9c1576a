"""Field rules: personal data a fault may have exposed is taken out before it becomes immutable.

A rule is a path of names. ``email`` matches that field anywhere; ``user.email`` one inside a
``user``; ``$.actor.name`` only from the top; ``*`` is any one name. Small and capital letters are
the same. Lists are passed through, and ``[*]`` may be written for them. JSON in a text is searched
too, as what stands below the field that holds the text. A redacted value is replaced by a keyed
digest, so that two equal values stay equal in one capture and nothing else can be learned.
"""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rollback.errors import InputError
from rollback.evidence.field_rules import ANY, Rule, marks_of, names_of, rule_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

    from rollback.model.environment import Environment
    from rollback.model.ports import Clients

_DIGITS = 16
_NESTED = (b"{", b"[")
_REDACTED = "[redacted "
UNREADABLE = b',"unreadable":true}\n'
"""How a line ends of which only its digest was kept. See `Redaction.line`."""
_SCAN = json.JSONDecoder().raw_decode
_OPENS = re.compile(r"[\[{]")
_TEXT = re.compile(r'"')
_BEFORE = re.compile(r'"([^"\\]*)"\s*:\s*\Z')
_ANY_MEMBER = re.compile(r'["\\][^"\\]*\\*"\s*:')
_HALF = b"\\ud"
_HALVES = re.compile(
    rb"\\u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
"""Letters that JSON may write as two halves, and halves alone, which no reader of ours takes."""
_NUMBERED = re.compile(r"\\u([0-9a-fA-F]{4})")
_TRIES = 64
"""Places of a text at which JSON may begin; a text that needs more is not taken for any."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """Field rules with a key of one capture.

    Names are looked for in the bytes first: a line that holds none that a rule ends with is left as
    it came, and of the others only the values around such a name are opened. What is not redacted
    stands as it came, but for spaces between the members of an object that was opened.
    """

    rules: tuple[str, ...] = ()
    key: bytes = field(default=b"", repr=False)
    _ending: dict[str, tuple[Rule, ...]] = field(init=False, repr=False, compare=False)
    _marks: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    _parents: frozenset[str] = field(init=False, repr=False, compare=False)
    member: re.Pattern[str] = field(init=False, repr=False, compare=False)
    """A name that a rule ends with (of one that ends with any: the name before), and its colon."""
    name_last: re.Pattern[str] = field(init=False, repr=False, compare=False)
    """Such a name where a text ends."""
    parents: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Names in which another has to stand for a rule to apply, wherever they are."""

    def __post_init__(self) -> None:
        """Read the rules once; one without a name matches nothing and is left out."""
        parsed = [rule for rule in map(rule_of, self.rules) if rule.names]
        ending: dict[str, tuple[Rule, ...]] = {}
        for rule in parsed:
            ending[rule.names[-1]] = (*ending.get(rule.names[-1], ()), rule)
        object.__setattr__(self, "_ending", ending)
        object.__setattr__(self, "_marks", marks_of(rule.names for rule in parsed))
        above = {name for rule in parsed if not rule.anchored for name in rule.names[:-1]}
        object.__setattr__(self, "parents", tuple(sorted(above - {ANY})))
        parents = (rule.names[-2:-1] for rule in ending.get(ANY, ()))
        object.__setattr__(self, "_parents", frozenset(name for one in parents for name in one))
        names = names_of(rule.names for rule in parsed)
        for attribute, after in (("member", r"\s*:"), ("name_last", r"\s*\Z")):
            object.__setattr__(self, attribute, re.compile(names + after, re.IGNORECASE))

    def lines(self, content: bytes) -> bytes:
        """Lines, each with its newline. See `line`."""
        if not self._ending:
            return content
        lines = content.split(b"\n")[:-1]
        if not all_json(content):
            return b"\n".join([*map(self.line, lines), b""])
        if not self.marked(content):
            return content
        return b"\n".join([*(self.line(one) if self.marked(one) else one for one in lines), b""])

    def line(self, raw: bytes) -> bytes:
        """One JSON value as one line: as it came where no rule applies.

        What is not JSON cannot be searched by name: with rules, only its digest is kept.
        """
        if not self._ending:
            return raw
        try:
            if not self.marked(raw):
                return raw if all_json(raw) else _written(_read(raw))
            whole = raw if _HALF not in raw.lower() else _HALVES.sub(_known, raw)
            return self._opened(whole, ())
        except (ValueError, RecursionError):
            return _written({"unreadable": True, "digest": self._digest(raw)})

    def marked(self, raw: bytes) -> bool:
        """Whether it holds what every value does in which a rule may apply."""
        lower = raw.lower()
        for mark in self._marks:  # noqa: SIM110 (asked of every line, and faster so)
            if mark in lower:
                return True
        return False

    def _opened(self, raw: bytes, path: tuple[str, ...]) -> bytes:
        """A value that holds a mark. Of a name that stands twice, the last is kept."""
        first = raw.lstrip()[:1]
        if first == b"{":
            every = ANY in self._ending
            made = [
                b"%b:%b"
                % (
                    _name(name),
                    self._field(child, name, (*path, name))
                    if every or name.lower() in self._ending
                    else self._within(bytes(child), (*path, name)),
                )
                for name, child in _members().decode(raw).items()
            ]
            return b"{%b}" % b",".join(made)
        if first == b"[":
            made = [self._within(bytes(child), path) for child in _elements().decode(raw)]
            return b"[%b]" % b",".join(made)
        return self._text(raw.strip(), path) if first == b'"' else _written(_read(raw))

    def _within(self, raw: bytes, path: tuple[str, ...]) -> bytes:
        if raw[:1] not in _NESTED:
            return self._text(raw, path)
        below = bool(path) and path[-1].lower() in self._parents
        return self._opened(raw, path) if below or self.marked(raw) else raw

    def _text(self, raw: bytes, path: tuple[str, ...]) -> bytes:
        """A scalar; of a text that is JSON, or has some in it, the fields are redacted.

        A text that names such a field and cannot be read is redacted as a whole.
        """
        if raw[:1] != b'"' or b"\\" not in raw:
            return raw
        text = _read(raw)
        below = bool(path) and path[-1].lower() in self._parents
        if not below and not self.marked(text.encode("utf-8", "surrogatepass")):
            return raw
        kept: list[str] = []
        around: list[str] = []
        end = 0
        for begins, ends in _json_in(text):
            inner = text[begins:ends].encode("utf-8", "surrogatepass")
            named = _BEFORE.search(plainly(text[end:begins]))  # its name, where it is a member
            inside = (*path, named[1]) if named else path
            made = self._opened(inner, inside).decode("utf-8", "surrogatepass")
            changed = made.count(_REDACTED) != inner.count(_REDACTED.encode())
            kept += [text[end:begins], made if changed else text[begins:ends]]
            around.append(text[end:begins])
            if text[begins] == '"' and not changed:  # perhaps a name: its object is on more lines
                around.append(_written(_read(inner)).decode("utf-8", "surrogatepass"))
            end = ends
        names = _ANY_MEMBER if below else self.member
        if names.search(plainly("".join([*around, text[end:]]))):
            return b'"[redacted %b]"' % self._digest(raw).encode()
        together = "".join([*kept, text[end:]])
        return raw if together == text else _written(together)

    def _field(self, child: Buffer, name: str, path: tuple[str, ...]) -> bytes:
        raw = bytes(child)
        rules = self._ending.get(name.lower(), ()) + self._ending.get(ANY, ())
        if not any(rule.fits(path) for rule in rules):
            return self._within(raw, path)
        if raw == b"null":
            return raw
        if raw[:1] != b'"' or b"\\" in raw:
            raw = _written(_read(raw))  # equal values are equal however they were written
        return b'"[redacted %b]"' % self._digest(raw).encode()

    def _digest(self, data: bytes) -> str:
        return hmac.digest(self.key, data, "sha256").hex()[:_DIGITS]


def _json_in(text: str) -> Iterator[tuple[int, int]]:
    """Where a text holds JSON objects, lists or texts: as a whole, or one after the other in it."""
    whole = text.strip()
    place, tries = 0, 0
    while tries < _TRIES and (found := (_TEXT if whole[:1] == '"' else _OPENS).search(text, place)):
        tries += 1
        place = found.start()
        try:
            _, end = _SCAN(text, place)
        except (ValueError, RecursionError):
            place += 1
            continue
        yield place, end
        place = end


def _read(raw: bytes) -> Any:
    """JSON in UTF-8: the library would guess other ways of writing it, which no rule is held to."""
    return json.loads(raw.decode("utf-8", "surrogatepass"))


def _known(found: re.Match[bytes]) -> bytes:
    """Half a letter as the sign for one that is not known; all else as it is."""
    return rb"\ufffd" if found["half"] else found[0]


def plainly(text: str) -> str:
    """The text with letters as they are that JSON wrote by number: a rule's name is plain."""
    return text if r"\u" not in text else _NUMBERED.sub(_letter, text)


def _letter(found: re.Match[str]) -> str:
    letter = chr(int(found[1], 16))
    return letter if letter.isprintable() and letter not in '"\\' else found[0]


def all_json(lines: bytes) -> bool:
    """Whether every line is one JSON value, told without making any."""
    try:
        lines.decode()
        found = _value().decode_lines(lines)
    except (ValueError, RecursionError):
        return False
    return len(found) == max(1, lines.count(b"\n"))


@lru_cache(maxsize=1)
def _value() -> Any:
    import msgspec

    return msgspec.json.Decoder(msgspec.Raw)


@lru_cache(maxsize=1)
def _elements() -> Any:
    import msgspec

    return msgspec.json.Decoder(list[msgspec.Raw])


@lru_cache(maxsize=1)
def _members() -> Any:
    import msgspec

    return msgspec.json.Decoder(dict[str, msgspec.Raw])


@lru_cache(maxsize=4096)
def _name(name: str) -> bytes:
    return _written(name)


def _written(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def redaction_of(environment: Environment, clients: Clients) -> Redaction:
    """The rules of an environment, with a key that is the same throughout a run.

    So a resumed capture goes on with the key that it began with, and the readings of a run can be
    compared. Where clients of no run are asked, it is derived as theirs is, or drawn.
    """
    key = clients.field_key()
    if not key:
        try:
            secret = clients.secret(environment.halt_authority.token)
            key = field_key(secret, clients.scope.run)
        except InputError:
            key = clients.nonce().encode()
    return Redaction(environment.evidence.redact, key)


def field_key(secret: str, run: str) -> bytes:
    """A key that tells nothing of the secret, for one run."""
    return hmac.digest(secret.encode(), f"evidence of run {run}".encode(), "sha256")


def one_line(raw: bytes) -> bytes:
    """What a source gave, as one line: as it came where it is one."""
    if b"\n" not in raw and b"\r" not in raw:
        return raw
    try:
        return _written(json.loads(raw))
    except (ValueError, RecursionError):
        return _written({"text": raw.decode("utf-8", "replace")})
