"""The perimeter of an environment: every host a client may speak to, and as what."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from rollback.guard.rules.exchange import MANAGED_IDENTITY
from rollback.guard.rules.normal import METADATA_HOST
from rollback.guard.rules.sts import ACTION
from rollback.model.environment import BlobStore, FolderStore, S3Store, SharedStore
from rollback.model.scope import CredentialExchange, GuardedHost, HostKind, Perimeter

if TYPE_CHECKING:
    from rollback.model.environment import Environment, Surface

_STRICTEST_FIRST: Final = (
    HostKind.COSMOS, HostKind.BACKEND, HostKind.PLATFORM, HostKind.IDENTITY, HostKind.WEB,
    HostKind.ARM, HostKind.PIPELINE, HostKind.STORE, HostKind.CHANNEL,
)  # fmt: skip
_CONTROL_PREFIXES: Final = ("/api/control", "/api/dynamic-config", "/api/feature-flags")


def host_of(url: str) -> str:
    """The host of an address in the form verdicts use: ``:port`` where it is not 443."""
    parts = urlsplit(url)
    name = (parts.hostname or "").lower()
    port = parts.port
    if port is None:
        port = 80 if parts.scheme == "http" else 443
    return name if port == 443 else f"{name}:{port}"  # noqa: PLR2004 (https)


def store_hosts(store: SharedStore) -> tuple[str, ...]:
    """Where a store answers: its endpoint, or the region's path-style and virtual hosts."""
    if isinstance(store, BlobStore):
        return (host_of(store.endpoint),)
    if store.endpoint is not None:
        host = host_of(store.endpoint)
        return (host, f"{store.bucket}.{host}")
    regional = f"s3.{store.region}.amazonaws.com"
    return (regional, f"{store.bucket}.{regional}")


def store_place(store: SharedStore) -> tuple[str, str]:
    """The host a store is written at, and the path before its keys."""
    if isinstance(store, BlobStore):
        base = urlsplit(store.endpoint).path.rstrip("/")
        return host_of(store.endpoint), f"{base}/{store.container}/"
    path_style, virtual = store_hosts(store)
    return (virtual, "/") if store.endpoint is None else (path_style, f"/{store.bucket}/")


def store_folder(environment: Environment) -> str:
    """The folder of evidence that the environment names, absolute; empty where it is no folder."""
    store = environment.evidence.store
    if not isinstance(store, FolderStore):
        return ""
    return posixpath.normpath(posixpath.join(environment.base, store.path))


def sts_address(store: S3Store) -> str:
    """Where a store's role is asked for: as configured, or the region's own STS."""
    return store.sts_endpoint or f"https://sts.{store.region}.amazonaws.com"


def role_exchange(store: object) -> CredentialExchange | None:
    """The exchange of a web identity token for a store's credential; None where there is none."""
    if not isinstance(store, S3Store) or store.role_arn is None:
        return None
    host = host_of(sts_address(store)).removesuffix(":443")
    return CredentialExchange(host=host, path="/", grants=(ACTION,), role=store.role_arn)


def surface_hosts(surface: Surface) -> tuple[str, ...]:
    """Every host of a surface: production, declared slot hosts, the platform's default names."""
    hosts = [*surface.hosts, *(host for _, host in surface.slot_hosts)]
    if surface.site is not None:
        site = surface.site.lower()
        hosts += [
            f"{site}.azurewebsites.net",
            f"{site}-{surface.stable_slot.lower()}.azurewebsites.net",
        ]
    return tuple(dict.fromkeys(hosts))


def perimeter_of(environment: Environment) -> Perimeter:  # noqa: C901, PLR0912 (a list of hosts)
    """The perimeter. A host with two roles is held to the stricter one.

    The control API is the backend's, but the hosts of other surfaces may pass requests on to it.
    """
    found: dict[str, GuardedHost] = {}

    def add(
        host: str, kind: HostKind, reads: tuple[str, ...] = (), control: tuple[str, ...] = ()
    ) -> None:
        name = host.removesuffix(":443")
        known = found.get(name)
        if known is not None:
            both, kind = kind, min(kind, known.kind, key=_STRICTEST_FIRST.index)
            # What lists messages at a channel is no POST that reads, and the other way round.
            of_channel = kind is HostKind.CHANNEL
            reads = tuple(
                dict.fromkeys((
                    *(known.reads if (known.kind is HostKind.CHANNEL) is of_channel else ()),
                    *(reads if (both is HostKind.CHANNEL) is of_channel else ()),
                ))
            )
            control = tuple(dict.fromkeys((*known.control_paths, *control)))
        found[name] = GuardedHost(host=name, kind=kind, reads=reads, control_paths=control)

    for address in (environment.cosmos.endpoint, *environment.cosmos.regions):
        add(host_of(address), HostKind.COSMOS)
    add(environment.azure.host, HostKind.ARM)
    authority = environment.halt_authority
    control = tuple(
        dict.fromkeys((*_CONTROL_PREFIXES, authority.control_path, authority.flags_path))
    )
    for name, surface in environment.surfaces:
        backend = surface.carries_authority or name == authority.surface
        for host in surface_hosts(surface):
            if backend:
                add(host, HostKind.BACKEND, surface.reads, control)
            else:
                add(host, HostKind.WEB, surface.reads, control)
        if surface.pipeline is not None:
            add(surface.pipeline.api_host, HostKind.PIPELINE)
    add(host_of(environment.platform.api_url), HostKind.PLATFORM, control=control)
    if environment.platform.jwt.jwks_url is not None:
        add(host_of(environment.platform.jwt.jwks_url), HostKind.PLATFORM)
    exchanges = _exchanges(environment)
    for exchange in exchanges:
        if exchange.host not in found:
            add(exchange.host, HostKind.IDENTITY)
    if isinstance(environment.evidence.store, S3Store | BlobStore):
        for host in store_hosts(environment.evidence.store):
            add(host, HostKind.STORE)
    for answer in environment.evidence.answers:
        add(answer.host, HostKind.WEB, control=control)
    for channel in environment.channels:
        add(channel.host, HostKind.CHANNEL, (channel.path,) if channel.searchable else ())
    role = role_exchange(environment.evidence.store)
    if role is not None and role.host not in found:
        add(role.host, HostKind.IDENTITY)
    if role is not None and found[role.host].kind in {HostKind.IDENTITY, HostKind.STORE}:
        exchanges += (role,)  # some stores are their own STS; at any other host nothing is asked
    return Perimeter(
        hosts=tuple(found.values()),
        exchanges=exchanges,
        subscription=environment.azure.subscription,
    )


def _exchanges(environment: Environment) -> tuple[CredentialExchange, ...]:
    platform = environment.platform
    base = urlsplit(platform.api_url).path.rstrip("/")
    sign_in = CredentialExchange(
        host=host_of(platform.api_url),
        path=f"{base}{platform.token_path}",
        grants=("password", "refresh_token"),
    )
    identity = environment.azure.identity
    if identity is None:
        azure = CredentialExchange(
            host=METADATA_HOST, path="/metadata/identity/oauth2/token", grants=(MANAGED_IDENTITY,)
        )
    else:
        azure = CredentialExchange(
            host=identity.authority,
            path=f"/{identity.tenant}/oauth2/v2.0/token",
            grants=("client_credentials",),
        )
    return (azure, sign_in)
