"""The files an environment names (signers, certificates), read as they will be read at night."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rollback.errors import Complaint, InputError
from rollback.loading.document import read_document
from rollback.loading.files import bytes_of

if TYPE_CHECKING:
    from rollback.loading.document import Document
    from rollback.model.environment import Environment

BYTES_MAX: Final = 1 << 20
"""Largest file of signers or certificates that is read."""

Place = tuple[str, ...]


def named_path(environment: Environment, named: str) -> Path:
    """A path of an environment file: relative ones start at the file's own folder."""
    return Path(environment.base) / Path(named).expanduser()


def signers_text(environment: Environment) -> str:
    """The allowed-signers file. Raises OSError, ValueError; empty where none is named."""
    named = environment.approvals.allowed_signers
    if named is None:
        return ""
    return bytes_of(named_path(environment, named), BYTES_MAX).decode()


def revoked_text(environment: Environment) -> str:
    """The list of revoked keys. Raises OSError, ValueError; empty where none is named."""
    named = environment.approvals.revoked_keys
    if named is None:
        return ""
    return bytes_of(named_path(environment, named), BYTES_MAX).decode()


def check_named_files(environment: Environment) -> tuple[Complaint, ...]:
    """Everything wrong with the files it names. Reads them and nothing else."""
    try:
        document = _document(environment)
    except (OSError, ValueError, InputError):
        document = None
    found: list[Complaint] = []
    approvals, ca_file = environment.approvals, environment.network.ca_file
    if approvals.allowed_signers is not None:
        place = ("approvals", "allowed_signers")
        path = named_path(environment, approvals.allowed_signers)
        found += _signers(environment, path, _Says(environment, document, place))
    if approvals.revoked_keys is not None:
        place = ("approvals", "revoked_keys")
        path = named_path(environment, approvals.revoked_keys)
        found += _revoked(environment, path, _Says(environment, document, place))
    if ca_file is not None:
        path = named_path(environment, ca_file)
        found += _certificates(path, _Says(environment, document, ("network", "ca_file")))
    return tuple(found)


class _Says:
    """Makes complaints at the line of the environment file that names the file."""

    def __init__(self, environment: Environment, document: Document | None, place: Place) -> None:
        self._file = environment.source or environment.environment
        self._document = document
        self._place = place

    def __call__(self, problem: str, expected: str) -> Complaint:
        if self._document is not None:
            return self._document.complaint(self._place, problem, expected)
        return Complaint(self._file, None, None, ".".join(self._place), problem, expected)


def _document(environment: Environment) -> Document | None:
    if environment.source is None:
        return None
    data = bytes_of(environment.source, BYTES_MAX * 2)
    return read_document(data, environment.source, what="environment")


def _signers(environment: Environment, path: Path, says: _Says) -> tuple[Complaint, ...]:
    from rollback.approval.allowed_signers import read_allowed_signers  # it brings cryptography

    expected = "an OpenSSH allowed-signers file"
    try:
        signers = read_allowed_signers(signers_text(environment), name=str(path))
    except InputError as error:
        return error.complaints
    except UnicodeDecodeError:
        return (says(f"{path} is not UTF-8 text", expected),)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return (says(f"{path} cannot be read: {why}", expected),)
    required = environment.approvals.required or 1
    keys = {signer.key for signer in signers}
    if len(keys) < required:
        have = f"{path} holds {len(keys)} keys, and {required} people must approve"
        return (says(have, "a line for each person who may"),)
    return ()


def _revoked(environment: Environment, path: Path, says: _Says) -> tuple[Complaint, ...]:
    from rollback.approval.allowed_signers import read_revoked  # it brings cryptography

    expected = "public keys, one a line"
    try:
        read_revoked(revoked_text(environment), name=str(path))
    except InputError as error:
        return error.complaints
    except UnicodeDecodeError:
        return (says(f"{path} is not UTF-8 text; binary revocation lists are not read", expected),)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return (says(f"{path} cannot be read: {why}", expected),)
    return ()


def _certificates(path: Path, says: _Says) -> tuple[Complaint, ...]:
    try:
        text = bytes_of(path, BYTES_MAX).decode("ascii", "replace")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        return (says(f"{path} holds no certificate that can be read", "certificates as PEM text"),)
    except OSError as error:
        return (says(f"{path} cannot be read: {error.strerror}", "certificates as PEM text"),)
    return ()
