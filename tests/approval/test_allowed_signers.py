"""The allowed-signers file: read as OpenSSH reads it, and refused where that lets in too much."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollback.approval.allowed_signers import (
    AllowedSigner,
    matches,
    read_allowed_signers,
    read_revoked,
)
from rollback.errors import InputError

from .conftest import NAMESPACE, NOW, Keys

MESSAGE = b"approve"


@pytest.fixture
def local_zone() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def test_a_file_with_everything(keys: Keys, local_zone: None) -> None:
    key = keys.public("ed25519")
    text = f"""# who may approve
alice@example.org {key} alice's laptop

"bob@example.org,robert" namespaces="git,{NAMESPACE}",valid-after="20260101Z" {key}
*@ops.example.org,!mallory@ops.example.org Namespaces="plan-*",VALID-BEFORE="202611231036" {key}
"""
    alice, bob, ops = read_allowed_signers(text)
    assert (alice.plain_principals, alice.namespaces, alice.line) == (("alice@example.org",), (), 2)
    assert bob.plain_principals == ("bob@example.org", "robert")
    assert bob.valid_after == datetime(2026, 1, 1, tzinfo=UTC)
    assert bob.allows(NAMESPACE)
    assert not bob.allows("file")
    assert ops.valid_before == datetime(2026, 11, 23, 9, 36, tzinfo=UTC)
    assert ops.names("carol@ops.example.org")
    assert not ops.names("mallory@ops.example.org")
    assert ops.plain_principals == ()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("* {key}", "a pattern of principals without a namespace"),
        ("a?b {key}", "a pattern of principals without a namespace"),
        ('* namespaces="*" {key}', "a pattern of principals without a namespace"),
        ("ca@b cert-authority {key}", "a certificate authority"),
        ('ca@b cert-authority,namespaces="x" {key}', "a certificate authority"),
        ('a namespaces="x",namespaces="y" {key}', "option namespaces twice"),
        ('a touch="1" {key}', "option touch"),
        ('a namespaces="" {key}', "option namespaces"),
        ('a namespaces="x"{key}', "options that cannot be read"),
        ('a valid-after="2026" {key}', "time '2026'"),
        ('a valid-after="20261301" {key}', "time '20261301'"),
        ('"a {key}', "a quote that does not close"),
        ("a,,b {key}", "an empty principal"),
        ("a", "options that cannot be read"),
        ("\x0c", "options that cannot be read"),
        ("a\xa0{key}", "option aaaac"),
        ("a ssh-ed25519", "no public key"),
        ("a ssh-ed25519 AAAA", "a public key that cannot be read"),
        ("a ssh-rsa {blob}", "a key of another type than the line says"),
    ],
)
def test_a_line_that_is_refused_names_itself(keys: Keys, line: str, problem: str) -> None:
    key = keys.public("ed25519")
    text = "\n" + line.format(key=key, blob=key.split()[1])
    with pytest.raises(InputError) as caught:
        read_allowed_signers(text)
    assert caught.value.complaints[0].line == 2
    assert problem in caught.value.complaints[0].problem


@pytest.mark.parametrize("principals", ["a@b", "a@b,c@d", "*@b", "a@?", "!a@b,*@b", "c@d", "*"])
@pytest.mark.parametrize("spaces", [NAMESPACE, "git", "plan-*", f"!{NAMESPACE},plan-*"])
def test_lines_mean_what_openssh_takes_them_for(keys: Keys, principals: str, spaces: str) -> None:
    line = f'{principals} namespaces="{spaces}" {keys.public("ed25519")}'
    signature = keys.openssh_signs("ed25519", MESSAGE)
    (ours,) = read_allowed_signers(line)
    theirs = keys.openssh_accepts(line, "a@b", signature, MESSAGE)
    assert (ours.names("a@b") and ours.allows(NAMESPACE)) is theirs


@pytest.mark.parametrize("option", ["valid-after", "valid-before"])
@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_times_mean_what_openssh_takes_them_for(keys: Keys, option: str, seconds: int) -> None:
    limit = NOW + timedelta(seconds=seconds)
    line = f'a@b {option}="{limit:%Y%m%d%H%M%SZ}" {keys.public("ed25519")}'
    signature = keys.openssh_signs("ed25519", MESSAGE)
    (ours,) = read_allowed_signers(line)
    at = f"-Overify-time={NOW:%Y%m%d%H%M%SZ}"
    theirs = keys.openssh_accepts(line, "a@b", signature, MESSAGE, at)
    assert ours.valid_at(NOW) is theirs


@given(text=st.text("ab.", max_size=6), pattern=st.text("ab.*?", max_size=6))
def test_patterns_against_a_ten_line_oracle(text: str, pattern: str) -> None:
    def simple(text: str, pattern: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return simple(text, pattern[1:]) or (bool(text) and simple(text[1:], pattern))
        return bool(text) and pattern[0] in ("?", text[0]) and simple(text[1:], pattern[1:])

    assert matches(text, (pattern,)) is simple(text, pattern)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=200))
def test_no_text_is_more_than_refused(text: str) -> None:
    try:
        read = read_allowed_signers(text)
    except InputError:
        return
    assert all(isinstance(line, AllowedSigner) for line in read)


def test_revoked_keys(keys: Keys) -> None:
    public = keys.public("ed25519")
    (blob,) = read_revoked(f"# gone\n\n{public} lost laptop\n")
    assert blob == read_allowed_signers(f"a {public}")[0].key
    for bad in ("SSHKRL\n\0\0", "nonsense"):
        with pytest.raises(InputError):
            read_revoked(bad)
