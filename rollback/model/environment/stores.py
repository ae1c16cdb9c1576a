"""Where evidence, leases and the journal's copy are kept."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from rollback.model.base import Frozen, Seconds
from rollback.model.environment.texts import Host, SecretRef, Url, UrlPath

URL_PATH = re.compile(r"://[^/]*/.")
"""In an address that has more than the path of a host."""


SourceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
"""How a source, or a store, that an environment adds is called in a bundle."""


class FolderStore(Frozen):
    """Evidence in a local folder: the embedded default.

    own: names a store of the embedding application's own, which keeps chunks and the journal's
    mirror in that folder in its own way. Holds stay files there.
    """

    kind: Literal["folder"] = "folder"
    path: str
    own: SourceName | None = None


RoleArn = Annotated[
    str,
    Field(pattern=r"^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}$"),
]
"""A role of an account, as AWS names it."""


class S3Store(Frozen):
    """Evidence in S3 with Object Lock. Create-only.

    The credential is a pair of keys, or a role that is taken by a web identity token (of which
    exactly one of web_identity_token and web_identity_token_file is the source), or, where neither
    is named, what variables and files of AWS on this machine say. sts_endpoint: where the role is
    asked for, instead of at the region's own STS.
    retention_days: how long each piece is kept in COMPLIANCE mode. legal_hold: it is also held
    until somebody lifts that by hand.
    """

    kind: Literal["s3"] = "s3"
    endpoint: Url | None = None
    region: str
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    prefix: str = ""
    access_key_id: SecretRef | None = None
    secret_access_key: SecretRef | None = None
    role_arn: RoleArn | None = None
    web_identity_token: SecretRef | None = None
    web_identity_token_file: Annotated[str, Field(min_length=1)] | None = None
    sts_endpoint: Url | None = None
    retention_days: Annotated[int, Field(ge=0)] = 0
    legal_hold: bool = False

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        keys = (self.access_key_id, self.secret_access_key)
        tokens = (self.web_identity_token, self.web_identity_token_file)
        if keys.count(None) == 1:
            msg = "access_key_id and secret_access_key are named both, or neither"
        elif self.role_arn is None and (tokens.count(None) < len(tokens) or self.sts_endpoint):
            msg = "a web identity token and an sts_endpoint are of a role: name its role_arn"
        elif self.role_arn is not None and keys.count(None) == 0:
            msg = "one credential: a pair of keys, or a role"
        elif self.role_arn is not None and tokens.count(None) != 1:
            msg = "role_arn needs exactly one of web_identity_token, web_identity_token_file"
        elif self.sts_endpoint is not None and URL_PATH.search(self.sts_endpoint):
            msg = "sts_endpoint has no path: a role is asked for at /"
        else:
            return self
        raise ValueError(msg)


class BlobStore(Frozen):
    """Evidence in a container of Azure Blob storage, with an immutability policy. Create-only.

    endpoint: the account's blob address. key: an account key; without one, the credential of
    `azure`. retention_days: how long the service keeps each piece of evidence from change.
    legal_hold: it is also held until somebody lifts that by hand.
    """

    kind: Literal["azure-blob"] = "azure-blob"
    endpoint: Url
    container: Annotated[str, Field(pattern=r"^[a-z0-9](-?[a-z0-9]){2,62}$")]
    prefix: str = ""
    key: SecretRef | None = None
    retention_days: Annotated[int, Field(ge=0)] = 0
    legal_hold: bool = False


SharedStore = S3Store | BlobStore
"""A store that machines share."""


class EvidenceAnswer(Frozen):
    """What a host answers, kept: a gate's, an alert rule's. Only ever read (GET, over TLS).

    query: pairs that are asked with; no secret belongs there.
    """

    name: SourceName
    host: Host
    path: UrlPath
    query: tuple[tuple[str, str], ...] = ()
    token: SecretRef | None = None


class EvidenceFile(Frozen):
    """A file, or every file under a folder, on this machine."""

    name: SourceName
    path: Annotated[str, Field(min_length=1)]


class EvidenceCommand(Frozen):
    """A command whose standard output is kept. Run as it stands, by no shell, without secrets.

    What it does is beyond the guard: name only what reads.
    """

    name: SourceName
    argv: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


_PLACES: Final = re.compile(r"\[(?:\*|\d*)\]")
_NO_RULE: Final = re.compile(r"\A\$?\.*\Z|[\[\]]|\A/|(?:\A|\.)\*\*")
"""No name at all, or another way of writing paths, which as names would match nothing, silently."""


class Evidence(Frozen):
    """Where evidence goes, how much of it, and which key signs what is sealed.

    units_per_s, units_max: the most request units a capture may use of the Cosmos account, so that
    it never starves the live system.
    """

    store: Annotated[FolderStore | S3Store | BlobStore, Field(discriminator="kind")] | None = None
    redact: tuple[str, ...] = ()
    bytes_max: Annotated[int, Field(gt=0)] = 2**30
    chunks_max: Annotated[int, Field(gt=0)] = 20_000
    source_s_max: Seconds = 60
    run_key: str | None = None
    units_per_s: Annotated[int, Field(gt=0)] = 1000
    units_max: Annotated[int, Field(gt=0)] = 1_000_000
    answers: tuple[EvidenceAnswer, ...] = ()
    files: tuple[EvidenceFile, ...] = ()
    commands: tuple[EvidenceCommand, ...] = ()

    @field_validator("redact")
    @classmethod
    def _rules(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        for rule in rules:
            if _NO_RULE.search(_PLACES.sub("", rule.strip())):
                msg = f"{rule!r} is no path of names, like `user.email` or `$.actor.name`"
                raise ValueError(msg)
        return rules

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        for named in (self.answers, self.files, self.commands):
            names = [one.name for one in named]
            if len(set(names)) != len(names):
                msg = "a source of evidence is named twice"
                raise ValueError(msg)
        return self


class FolderLease(Frozen):
    """A lease in a folder: real for everything that shares the folder, and no further."""

    kind: Literal["folder"] = "folder"
    path: str | None = None


class S3Lease(Frozen):
    """A lease in a bucket, by conditional writes: shared between machines."""

    kind: Literal["s3"] = "s3"
    prefix: str = "leases/"


class BlobLease(Frozen):
    """A lease in a container of Azure Blob storage, by etags: shared between machines."""

    kind: Literal["azure-blob"] = "azure-blob"
    prefix: str = "leases/"


class Lease(Frozen):
    """The exclusive right to change what a plan changes."""

    store: Annotated[FolderLease | S3Lease | BlobLease, Field(discriminator="kind")] = FolderLease()
    ttl_s: Seconds = 60
    renew_s: Seconds = 15
