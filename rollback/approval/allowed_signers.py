"""The allowed-signers file, as ssh-keygen(1) defines it, and the list of revoked keys.

Stricter than OpenSSH in what lets more in than meant: a certificate authority, a pattern of
principals without a namespace, an unknown option or an unreadable line refuses the whole file
(promise fail-closed), with the line's number.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from rollback.approval.sshsig import MalformedSignature, Reader
from rollback.errors import Complaint, InputError

_TIME = re.compile(r"(\d{8})(\d{4}(?:\d{2})?)?(Z?)")
_OPTION = re.compile(r'([A-Za-z-]+)(?:="([^"]*)")?')
_BLANK = re.compile(r"[ \t]+")  # nothing else parts words, as in OpenSSH
_WILD = re.compile(r"[*?]")
FILE_CHARS_MAX = 1 << 20
LINE_CHARS_MAX = 8192
"""The longest line that a record keeps: an RSA key of 16,384 bits takes 2,800 of it."""


@dataclass(frozen=True, slots=True)
class AllowedSigner:
    """One line. principals and namespaces are OpenSSH pattern lists; times are inclusive.

    namespaces: empty where the line limits none.
    """

    principals: tuple[str, ...]
    key: bytes
    line: int
    namespaces: tuple[str, ...] = ()
    valid_after: datetime | None = None
    valid_before: datetime | None = None

    def names(self, principal: str) -> bool:
        """True when the principal list matches."""
        return matches(principal, self.principals)

    def allows(self, namespace: str) -> bool:
        """True when signatures in this namespace count."""
        return not self.namespaces or matches(namespace, self.namespaces)

    def valid_at(self, moment: datetime) -> bool:
        """True from `valid_after` to `valid_before`, both included."""
        after = self.valid_after is None or moment >= self.valid_after
        return after and (self.valid_before is None or moment <= self.valid_before)

    @property
    def plain_principals(self) -> tuple[str, ...]:
        """The principals written out, without patterns and negations."""
        return tuple(name for name in self.principals if not _WILD.search(name) and name[:1] != "!")


def matches(text: str, patterns: tuple[str, ...]) -> bool:
    """OpenSSH's pattern list: ``*`` and ``?``, and a leading ``!`` that vetoes."""
    found = False
    for pattern in patterns:
        veto = pattern.startswith("!")
        if _pattern(pattern.removeprefix("!")).fullmatch(text):
            if veto:
                return False
            found = True
    return found


def _pattern(pattern: str) -> re.Pattern[str]:
    collapsed = re.sub(r"\*+", "*", pattern)
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(char, re.escape(char)) for char in collapsed), re.DOTALL)


def read_allowed_signers(text: str, *, name: str = "allowed_signers") -> tuple[AllowedSigner, ...]:
    """Read a file. Times without ``Z`` are local, as OpenSSH has it. Raises InputError."""
    if len(text) > FILE_CHARS_MAX:
        _complain(name, None, "the file is too long", f"at most {FILE_CHARS_MAX} characters")
    signers = []
    for number, line in enumerate(text.split("\n"), start=1):
        bare = line.strip(" \t\r")
        if bare and not bare.startswith("#"):
            signers.append(_read_line(name, number, bare))
    return tuple(signers)


def lines_for(text: str, key: bytes, namespace: str, at: datetime) -> tuple[str, ...]:
    """The lines, as they are written, that let this key sign in a namespace at a moment.

    Lines too long to keep are left out. Raises InputError.
    """
    lines = text.split("\n")
    return tuple(
        lines[one.line - 1].strip(" \t\r")
        for one in read_allowed_signers(text)
        if one.key == key and one.allows(namespace) and one.valid_at(at)
        if len(lines[one.line - 1]) <= LINE_CHARS_MAX
    )


def read_revoked(text: str, *, name: str = "revoked_keys") -> tuple[bytes, ...]:
    """Public keys that count for nothing, one a line. Raises InputError (binary KRLs too)."""
    keys = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = _words(line)
        if words and not words[0].startswith("#"):
            if len(words) < 2:  # noqa: PLR2004 - type and key
                _complain(name, number, "not a public key", "`type base64 [comment]`")
            keys.append(_key(name, number, words[0], words[1]))
    return tuple(keys)


def _read_line(file: str, number: int, line: str) -> AllowedSigner:
    principals, rest = _word(file, number, line)
    options: dict[str, str] = {}
    words = _words(rest)
    if not words or not _is_key_type(words[0]):
        options, rest = _options(file, number, rest)
        words = _words(rest)
    if len(words) < 2:  # noqa: PLR2004 - type and key
        _complain(file, number, "no public key", "`principals [options] type base64 [comment]`")
    names = tuple(principals.split(","))
    if "" in names:
        _complain(file, number, "an empty principal", "principals separated by single commas")
    spaces = tuple(options["namespaces"].split(",")) if "namespaces" in options else ()
    wild = any(_WILD.search(principal) for principal in names)
    if wild and (not spaces or "*" in spaces):
        _complain(
            file,
            number,
            "a pattern of principals without a namespace",
            'namespaces="plan-approval@trade-rollback"',
        )
    return AllowedSigner(
        principals=names,
        key=_key(file, number, words[0], words[1]),
        line=number,
        namespaces=spaces,
        valid_after=_time(file, number, options.get("valid-after")),
        valid_before=_time(file, number, options.get("valid-before")),
    )


def _words(text: str) -> list[str]:
    return [word for word in _BLANK.split(text.strip(" \t\r")) if word]


def _is_key_type(word: str) -> bool:
    return word.startswith(("ssh-", "ecdsa-sha2-", "sk-"))


def _word(file: str, number: int, line: str) -> tuple[str, str]:
    if line.startswith('"'):
        word, quote, rest = line[1:].partition('"')
        if not quote or rest[:1] not in (" ", "\t"):
            _complain(file, number, "a quote that does not close", 'a closing `"` and a space')
    else:
        word, *after = _BLANK.split(line, maxsplit=1)
        rest = after[0] if after else ""
    return word, rest.strip(" \t")


def _options(file: str, number: int, text: str) -> tuple[dict[str, str], str]:
    options: dict[str, str] = {}
    at = 0
    while True:
        match = _OPTION.match(text, at)
        if match is None:
            _complain(file, number, "options that cannot be read", 'like namespaces="a,b"')
        key, value = match[1].lower(), match[2]
        if key == "cert-authority":
            _complain(file, number, "a certificate authority", "the public key of one person")
        if key not in ("namespaces", "valid-after", "valid-before") or not value:
            _complain(file, number, f"option {key}", "namespaces, valid-after, valid-before")
        if key in options:
            _complain(file, number, f"option {key} twice", "each option once")
        options[key] = value
        at = match.end()
        if text[at : at + 1] != ",":
            break
        at += 1
    if at < len(text) and text[at] not in " \t":
        _complain(file, number, "options that cannot be read", 'like namespaces="a,b"')
    return options, text[at:].strip(" \t")


def _key(file: str, number: int, key_type: str, text: str) -> bytes:
    try:
        blob = base64.b64decode(text, validate=True)
        if Reader(blob).text() != key_type:
            _complain(file, number, "a key of another type than the line says", key_type)
    except (binascii.Error, ValueError, MalformedSignature):
        _complain(file, number, "a public key that cannot be read", "base64 as ssh-keygen writes")
    return blob


def _time(file: str, number: int, text: str | None) -> datetime | None:
    if text is None:
        return None
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError  # noqa: TRY301 - one place says what is wrong with a time
        form = "%Y%m%d" + {0: "", 4: "%H%M", 6: "%H%M%S"}[len(match[2] or "")]
        naive = datetime.strptime(text.removesuffix("Z"), form)  # noqa: DTZ007 - zone comes next
    except ValueError:
        _complain(file, number, f"time {text!r}", "YYYYMMDD[HHMM[SS]][Z]")
    return naive.replace(tzinfo=UTC) if match[3] else naive.astimezone(UTC)


def _complain(file: str, line: int | None, problem: str, expected: str) -> NoReturn:
    complaint = Complaint(file, line, None, "", problem, expected)
    raise InputError(
        "approval.allowed-signers",
        str(complaint),
        hint="correct the file; until then no approval counts",
        promise="fail-closed",
        complaints=(complaint,),
    )
