"""The planner's fence over planned effects. Allowed only by a rule that names the shape."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any, Final

from rollback.guard.rules.json_body import NotOneReadingError, digest, parse
from rollback.guard.rules.judge import locate
from rollback.guard.rules.perimeter import store_folder, store_place
from rollback.guard.rules.request import NO_REWRITE, PLAN_IS_PERMISSION, Denial
from rollback.guard.rules.shapes import (
    ARM_SITE,
    IMAGE,
    names_path,
    settings_denial,
    write_without_shape,
)
from rollback.guard.rules.verdicts import denied, deny
from rollback.model.effect import (
    COSMOS_HOST,
    SECRET_VALUE,
    BoundedBody,
    ExactBody,
    FileWrite,
    HttpWrite,
    NoBody,
    Purpose,
    SelfAddressedBody,
)
from rollback.model.environment import BlobStore, FolderLease, S3Store, SharedStore
from rollback.model.scope import GuardVerdict, HostKind, VerdictKind

if TYPE_CHECKING:
    from rollback.model.effect import Effect
    from rollback.model.environment import Environment, Surface
    from rollback.model.scope import Perimeter

_REPLACING: Final = frozenset({Purpose.LEASE, Purpose.HOLD})


def judge_effect(
    effect: Effect, perimeter: Perimeter, environment: Environment, own_folder: str = ""
) -> GuardVerdict:
    """May a plan hold this effect? Total: an error in judging is a denial.

    own_folder: absolute folder of the plan's local evidence; empty where it has none.
    """
    try:
        if isinstance(effect, FileWrite):
            problem = _file(effect, (store_folder(environment), own_folder))
        elif isinstance(effect, HttpWrite):
            problem = _http(effect, perimeter, environment)
        else:
            problem = Denial("effect.unknown", "a kind of effect that no rule names")
    except Exception as error:  # noqa: BLE001 (fail-closed)
        return deny("guard.error", f"judging failed: {type(error).__name__}")
    if problem is not None:
        return denied(problem)
    return GuardVerdict(
        kind=VerdictKind.ALLOW,
        rule=f"effect.{effect.kind}",
        reasons=("a rule names its shape",),
        effect=effect.id,
    )


def _off(rule: str, reason: str) -> Denial:
    return Denial(rule, reason, PLAN_IS_PERMISSION)


def _file(effect: FileWrite, folders: tuple[str, ...]) -> Denial | None:
    if effect.purpose not in {Purpose.EVIDENCE, Purpose.HOLD}:
        return _off("effect.file", "files are only evidence and holds")
    path = effect.path
    if posixpath.normpath(f"/{path.strip('/')}") != path.rstrip("/"):
        return _off("effect.file", "not an absolute folder in normal form")
    if not any(one and f"{path}/".startswith(f"{one}/") for one in folders):
        return _off(
            "effect.folder", "neither the environment's store nor the plan's own folder of evidence"
        )
    return None


def _http(effect: HttpWrite, perimeter: Perimeter, environment: Environment) -> Denial | None:  # noqa: PLR0911
    if COSMOS_HOST.search(effect.host.partition(":")[0].rstrip(".").lower()):
        return Denial("effect.cosmos", "no plan can name a Cosmos host", NO_REWRITE)
    guarded = locate(effect.host, perimeter)
    if guarded is None:
        return _off("effect.host", "a host outside the environment's perimeter")
    if guarded.kind is HostKind.COSMOS:
        return Denial("effect.cosmos", "no plan can name a Cosmos host", NO_REWRITE)
    if any(effect.path.lower().startswith(prefix.lower()) for prefix in guarded.control_paths):
        return Denial(
            "effect.control", "a write to control state through the backend's own API", NO_REWRITE
        )
    document, problem = _document(effect, guarded.kind)
    if problem is not None:
        return problem
    problem = write_without_shape(
        guarded.kind, effect.method, effect.path, document, conditional=_conditional(effect)
    )
    if problem is not None:
        return problem
    match guarded.kind:
        case HostKind.ARM:
            return _arm(effect, document, environment)
        case HostKind.STORE:
            return _store(effect, environment)
        case HostKind.CHANNEL:
            return _channel(effect, environment)
        case HostKind.PIPELINE:
            return _pipeline(effect, environment)
        case _:
            return _off("effect.host", "no rule names a write at this kind of host")


def _conditional(effect: HttpWrite) -> bool:
    return effect.condition != "none" or isinstance(effect.body, SelfAddressedBody)


def _document(effect: HttpWrite, kind: HostKind) -> tuple[Any, Denial | None]:
    body = effect.body
    if isinstance(body, NoBody):
        return None, None
    if isinstance(body, ExactBody):
        if body.content is None:
            if "/config/appsettings" in effect.path.lower():
                return None, settings_denial(None)
            return None, _off("effect.unreadable", "nobody can judge a body that is not shown")
        try:
            document = parse(body.content.encode())
            same = digest(document) == body.sha256
        except NotOneReadingError as error:
            return None, _off("effect.body", f"the body is not plain JSON: {error}")
        if not same:
            return None, _off("effect.body", "the body is not the one its digest names")
        return document, None
    comment = kind is HostKind.PIPELINE and effect.purpose is Purpose.NOTIFY
    if kind not in {HostKind.STORE, HostKind.CHANNEL} and not comment:
        return None, _off("effect.body", "only the store and channels take bodies not known before")
    return None, None


def _arm(effect: HttpWrite, document: Any, environment: Environment) -> Denial | None:
    place = ARM_SITE.fullmatch(effect.path)
    if place is None or place["subscription"] != environment.azure.subscription:
        return _off("effect.subscription", "outside the environment's subscription")
    if tuple(name for name, _ in effect.query) != ("api-version",):
        return _off("effect.query", "a write at Resource Manager says its API version and no more")
    surface = _surface_of(place["group"], place["site"], environment)
    if surface is None:
        return _off("effect.site", "a site that is no surface of the environment")
    slots = {surface.stable_slot.lower(), *(name.lower() for name, _ in surface.slot_hosts)}
    if place["slot"] is not None and place["slot"].lower() not in slots:
        return _off("effect.slot", "a slot the environment does not name")
    if place["verb"] == "slotsswap" and document["targetSlot"].lower() not in {
        *slots,
        "production",
    }:
        return _off("effect.slot", "a swap with a slot the environment does not name")
    if place["verb"] == "config/web":
        properties = document["properties"]
        image = properties.get("linuxFxVersion")
        if image is not None:
            return _image(str(image), surface)
        target = properties.get("autoSwapSlotName")
        if target and target.lower() not in {*slots, "production"}:
            return _off("effect.slot", "auto-swap into a slot the environment does not name")
    return None


def _surface_of(group: str, site: str, environment: Environment) -> Surface | None:
    for _, surface in environment.surfaces:
        own_group = surface.resource_group or environment.azure.resource_group
        if surface.site == site and own_group.lower() == group.lower():
            return surface
    return None


def _image(value: str, surface: Surface) -> Denial | None:
    shape = IMAGE.fullmatch(value)
    image = shape["image"] if shape is not None else ""
    builds = [release.build for release in surface.releases]
    release = next((entry for entry in surface.releases if entry.image == image), None)
    if release is None:
        return _off(
            "effect.image",
            "an image of no release in the catalogue: nobody can tell what it does when it starts",
        )
    floor = surface.rollback_floor
    if floor is not None and floor not in builds:
        return Denial("effect.floor", "the rollback floor is not in the catalogue", "fail-closed")
    if floor is not None and builds.index(release.build) < builds.index(floor):
        return Denial(
            "effect.floor",
            f"{release.build} is below the rollback floor {floor}: it rewrites control state "
            "when it starts",
            NO_REWRITE,
        )
    return None


def _store(effect: HttpWrite, environment: Environment) -> Denial | None:
    store = environment.evidence.store
    if not isinstance(store, S3Store | BlobStore):
        return _off("effect.store", "no store that machines share is configured")
    if effect.purpose not in {Purpose.EVIDENCE, Purpose.LEASE, Purpose.HOLD}:
        return _off("effect.store", "the store takes evidence, leases and holds only")
    if effect.condition == "if-match" and effect.purpose not in _REPLACING:
        return _off("effect.store", "evidence is created, never replaced")
    if effect.query:
        return _off("effect.store", "a store write has no query")
    root = _root(effect, store)
    prefixes = [f"{root}{store.prefix}"]
    lease = environment.lease.store
    if effect.purpose is Purpose.LEASE and not isinstance(lease, FolderLease):
        prefixes.append(f"{root}{lease.prefix}")
    if not any(effect.path.startswith(prefix) for prefix in prefixes):
        return _off("effect.store", "outside the configured place and prefix")
    return None


def _root(effect: HttpWrite, store: SharedStore) -> str:
    """The path before the store's keys, at the host that the effect names."""
    if isinstance(store, S3Store):
        return "/" if effect.host.startswith(f"{store.bucket}.") else f"/{store.bucket}/"
    return store_place(store)[1]


def _channel(effect: HttpWrite, environment: Environment) -> Denial | None:
    if effect.purpose is not Purpose.NOTIFY:
        return _off("effect.channel", "a channel is only notified")
    if isinstance(effect.body, BoundedBody | ExactBody) and any(
        channel.host == effect.host
        and names_path(channel.path, effect.path)
        and tuple((name, SECRET_VALUE) for name in sorted(channel.query)) == effect.query
        for channel in environment.channels
    ):
        return None
    return _off("effect.channel", "no channel of the environment has this address")


def _pipeline(effect: HttpWrite, environment: Environment) -> Denial | None:
    if effect.purpose is Purpose.NOTIFY:
        return _channel(effect, environment)
    for _, surface in environment.surfaces:
        pipeline = surface.pipeline
        if pipeline is None or pipeline.api_host != effect.host:
            continue
        base = f"/repos/{pipeline.repository}/actions/"
        if effect.path == f"{base}workflows/{pipeline.file}/disable" or effect.path.startswith(
            f"{base}runs/"
        ):
            return None
    return _off("effect.pipeline", "a pipeline the environment does not name")
