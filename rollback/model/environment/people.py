"""Who approves, and where messages go."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rollback.model.base import Frozen, Name, Seconds
from rollback.model.environment.texts import Host, SecretRef, UrlPath


class Approvals(Frozen):
    """Who may approve, by an OpenSSH allowed-signers file, and how many must.

    revoked_keys: a list of public keys, one a line, that count for nothing, whoever's they are.
    Relative paths are relative to the environment file.
    """

    allowed_signers: str | None = None
    revoked_keys: str | None = None
    required: Annotated[int, Field(ge=0, le=10)] | None = None
    age_s_max: Seconds = 3600


class Channel(Frozen):
    """Where `notify` posts. kind: what the service there understands.

    address: the whole address of a webhook, a secret (json, slack, teams). host, path: what of it
    may be shown; a path that ends in ``{key}`` leaves the rest to the address. query: names in the
    address's query; their values stay secret. token: for comments (github, jira), whose path may
    hold ``{incident}``. user: with it Jira takes user and token, without it a token alone.
    """

    name: Name
    kind: Literal["json", "slack", "teams", "github", "jira"] = "json"
    address: SecretRef | None = None
    host: Host
    path: UrlPath
    query: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,60}$")], ...] = ()
    token: SecretRef | None = None
    user: SecretRef | None = None

    @property
    def searchable(self) -> bool:
        """Whether what was posted can be listed, so that a message is looked for first."""
        return self.kind in ("github", "jira")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.searchable and (self.token is None or self.address is not None):
            msg = f"a {self.kind} channel needs a token, and has no address"
            raise ValueError(msg)
        if not self.searchable and (self.address is None or self.token or self.user):
            msg = f"a {self.kind} channel needs its address, and has no token or user"
            raise ValueError(msg)
        if self.searchable and not _COMMENTS[self.kind].fullmatch(self.path):
            msg = {
                "github": "a github path is /repos/OWNER/REPOSITORY/issues/NUMBER/comments",
                "jira": "a jira path ends in /rest/api/2/issue/KEY/comment",
            }[self.kind]
            raise ValueError(f"{msg}; NUMBER or KEY may be {{incident}}")
        if self.searchable and self.query:
            msg = f"a {self.kind} channel has no query"
            raise ValueError(msg)
        return self


_COMMENTS = {
    "github": re.compile(
        r"(/api/v3)?/repos/[\w.-]+/[\w.-]+/issues/(\d{1,10}|\{incident\})/comments"
    ),
    "jira": re.compile(
        r"(/[\w.-]+)*/rest/api/2/issue/([A-Z][A-Z0-9_]{1,20}-\d{1,10}|\{incident\})/comment"
    ),
}
