"""What the parts of an environment file must be to each other, said at the line that breaks it.

These rules read the tree with its variables replaced, not the model, so that they are checked even
where other fields are wrong: a person gets all complaints at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rollback.loading.complaints import meant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.loading.document import Tree

Path = tuple[str | int, ...]
Broken = tuple[Path, str, str]
"""Where, what is wrong, what was expected."""

_SHARED = ("s3", "azure-blob")
"""Kinds of store that machines share."""


ADDRESSES: Final = (
    ("platform", "api_url"),
    ("platform", "jwt", "jwks_url"),
    ("cosmos", "endpoint"),
    ("cosmos", "regions"),
    ("evidence", "store", "endpoint"),
    ("evidence", "store", "sts_endpoint"),
)
"""What production reaches over https only. A proxy may be plain: TLS goes through it."""


def broken_rules(tree: Tree) -> Iterator[Broken]:
    """Every rule the tree breaks."""
    if not isinstance(tree, dict):
        return
    yield from _supported_systems(tree)
    yield from _tokens(tree)
    yield from _authority(tree)
    yield from _surfaces(tree)
    yield from _stores(tree)
    yield from _mirror(tree)
    if tree.get("kind", "production") == "production":
        yield from _production(tree)


def _at(tree: Tree, *path: str) -> Any:
    for part in path:
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _mapping(tree: Tree, *path: str) -> dict[str, Any]:
    found = _at(tree, *path)
    return found if isinstance(found, dict) else {}


def _supported_systems(tree: Tree) -> Iterator[Broken]:
    """Row E3."""
    if tree.get("legacy_dependencies"):
        yield (
            ("legacy_dependencies",),
            "a legacy store is named as a runtime dependency",
            "nothing: platform-service and Cosmos are the only supported production systems",
        )


def _tokens(tree: Tree) -> Iterator[Broken]:
    """Row E1: HS256 belongs to compatibility environments."""
    if _at(tree, "platform", "jwt", "secret") and tree.get("compatibility") != "hs256":
        yield (
            ("platform", "jwt", "secret"),
            "HS256 (a shared secret) in an environment that is not marked for it",
            "jwks_url or public_key; or `compatibility: hs256` where tokens are still HS256",
        )


def _authority(tree: Tree) -> Iterator[Broken]:
    surfaces = _mapping(tree, "surfaces")
    authority = _mapping(tree, "halt_authority")
    named = authority.get("surface", "backend")
    if isinstance(named, str) and surfaces:
        where: Path = ("halt_authority", "surface")
        if named not in surfaces:
            known = f"one of {', '.join(surfaces)}{meant(named, surfaces)}"
            yield where, f"`{named}` is no surface", known
        elif _at(surfaces, named, "provider") == "unsupported":
            yield where, f"`{named}` is unsupported here", "a surface whose instances can be asked"
    if authority and "path" in authority and authority["path"] is None:
        weak = authority.get("weak_proofs")
        if not isinstance(weak, list) or len(set(map(str, weak))) < 2:  # noqa: PLR2004 - two kinds
            yield (
                ("halt_authority", "weak_proofs"),
                "there is no authority endpoint, and fewer than two weaker proofs",
                "at least two of state-read, permission-check, heartbeat-age",
            )
    token = authority.get("token")
    if token is not None and token == authority.get("refused_token"):
        yield (
            ("halt_authority", "refused_token"),
            "the same token as `token`",
            "another one, that must not be able to halt: a yes to it unmasks the endpoint",
        )


def _surfaces(tree: Tree) -> Iterator[Broken]:
    for name, surface in _mapping(tree, "surfaces").items():
        if isinstance(surface, dict):
            yield from _surface(("surfaces", name), surface)
    surfaces = _mapping(tree, "surfaces")
    pairs = tree.get("forbidden_pairs")
    for position, pair in enumerate(pairs if isinstance(pairs, list) else ()):
        for key in ("surface", "other_surface"):
            named = _at(pair, key)
            if isinstance(named, str) and surfaces and named not in surfaces:
                yield (
                    ("forbidden_pairs", position, key),
                    f"`{named}` is no surface",
                    f"one of {', '.join(surfaces)}{meant(named, surfaces)}",
                )
    seen: set[str] = set()
    channels = tree.get("channels")
    for position, channel in enumerate(channels if isinstance(channels, list) else ()):
        named = str(_at(channel, "name"))
        if named in seen:
            where: Path = ("channels", position, "name")
            yield where, f"a second channel named {named}", "each name once"
        seen.add(named)


def _surface(path: Path, surface: dict[str, Any]) -> Iterator[Broken]:
    if surface.get("provider") == "app-service":
        for key, what in (("site", "the site"), ("hosts", "its production hosts")):
            if not surface.get(key):
                yield (*path, key), f"an app-service surface without {key}", what
    if surface.get("provider") == "unsupported" and not surface.get("human_step"):
        yield (
            (*path, "human_step"),
            "an unsupported surface without human_step",
            "what a person does instead, in words",
        )
    yield from _releases(path, surface)


def _releases(path: Path, surface: dict[str, Any]) -> Iterator[Broken]:
    releases = surface.get("releases")
    if not isinstance(releases, list):
        releases = []
    builds = [str(_at(one, "build")) for one in releases]
    for position, build in enumerate(builds):
        if build in builds[:position]:
            yield (*path, "releases", position), f"a second release {build}", "each build once"
        schema = _at(releases[position], "control_schema")
        if (
            isinstance(schema, list)
            and [type(number) for number in schema] == [int, int]
            and schema[0] > schema[1]
        ):
            yield (
                (*path, "releases", position, "control_schema"),
                "the lowest version is above the highest",
                "[lowest, highest]",
            )
    floor = surface.get("rollback_floor")
    stable = surface.get("last_stable")
    for key, named in (("rollback_floor", floor), ("last_stable", stable)):
        if not isinstance(named, str) or "${" in named or named in builds:
            continue
        if builds or key == "rollback_floor":
            yield (
                (*path, key),
                f"`{named}` is not in the surface's releases",
                f"one of {', '.join(builds) or '(the list is empty)'}{meant(named, builds)}",
            )
    if floor in builds and stable in builds and builds.index(stable) < builds.index(floor):
        yield (
            (*path, "last_stable"),
            f"{stable} is older than the rollback floor {floor}",
            "a release at or above the floor",
        )


def _stores(tree: Tree) -> Iterator[Broken]:
    lease, evidence = (_at(tree, name, "store", "kind") for name in ("lease", "evidence"))
    if lease in _SHARED and evidence != lease:
        yield (
            ("lease", "store"),
            f"a lease of kind {lease} without an evidence store of that kind, whose place it uses",
            f"evidence.store: {{kind: {lease}, ...}}",
        )


def _mirror(tree: Tree) -> Iterator[Broken]:
    if tree.get("journal_mirror") is True and not _at(tree, "evidence", "store"):
        yield (
            ("journal_mirror",),
            "a mirror of the journal without an evidence store, which keeps it",
            "evidence: {store: {kind: s3, ...}}, azure-blob or a folder",
        )


def _production(tree: Tree) -> Iterator[Broken]:
    """What production needs and other kinds may do without."""
    if _at(tree, "lease", "store", "kind") not in _SHARED:
        yield (
            ("lease",),
            "production with a lease that protects this machine only",
            "lease: {store: {kind: s3}} or {kind: azure-blob}, shared between machines",
        )
    if not _at(tree, "approvals", "allowed_signers"):
        yield (
            ("approvals",),
            "production without anybody who may approve",
            "approvals: {allowed_signers: FILE}",
        )
    required = _at(tree, "approvals", "required")
    if isinstance(required, int) and required < 2:  # noqa: PLR2004 - two people
        yield ("approvals", "required"), "production with fewer than two approvals", "2 or more"
    if not _at(tree, "evidence", "store"):
        yield (
            ("evidence",),
            "production without an evidence store",
            "evidence: {store: {kind: s3, ...}} or a folder",
        )
    if tree.get("journal_mirror") is not True:
        yield (
            ("journal_mirror",),
            "production without a mirror of the journal",
            "journal_mirror: true",
        )
    for path in ADDRESSES:
        found = _at(tree, *path)
        told = found if isinstance(found, list | tuple) else (found,)
        if any(str(one).lower().startswith("http://") for one in told):
            yield path, "production over plain http", "an https:// address"
