"""App Service through azure-mgmt-web: the implementation of `ArmPort`.

Reads are asked again on the run's clock. A mutation is sent once: the pipeline has nothing that
resends, and the SDK's own polling is off, so the caller looks at the operation itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from rollback.connectors import app_service_effects as effects
from rollback.connectors import app_service_views as views
from rollback.connectors.azure_pipeline import LIMITS
from rollback.connectors.crossing import Failure
from rollback.connectors.resource_manager import ResourceManager
from rollback.connectors.together import both
from rollback.connectors.values import at
from rollback.errors import ProductDefect
from rollback.model.base import rfc3339
from rollback.model.views import (
    ActivityView,
    ConfigurationView,
    DeploymentView,
    DifferenceView,
    InstanceView,
    RampRule,
    SettingView,
    SlotRef,
    SlotView,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from azure.core.paging import ItemPaged
    from azure.core.pipeline import PipelineResponse


LOG_BYTES_MAX = 8 * 2**20

def _a_list(response: PipelineResponse[Any, Any]) -> None:
    """Raise ValueError for a page that holds no list: the SDK reads some such as an empty one."""
    answer = response.http_response
    if answer.status_code == HTTPStatus.OK and not isinstance(at(answer.json(), "value"), list):
        msg = "a page holds no list"
        raise ValueError(msg)


LISTED: dict[str, Any] = {**LIMITS, "raw_response_hook": _a_list}

_SECRET_NAME = re.compile(
    r"key|secret|token|pass|pwd|conn|cert|sas|sign|credential|private|webhook", re.IGNORECASE
)


class AppService(ResourceManager):
    """One subscription's sites, for one scope."""

    # --- reads ---------------------------------------------------------------------------

    def slot(self, ref: SlotRef) -> SlotView:
        """A site or slot as it is."""

        def read() -> SlotView:
            resource, etag = (
                self._apps.get(*_site(ref), cls=_with_etag, **LIMITS)
                if ref.slot is None
                else self._apps.get_slot(*_site(ref), ref.slot, cls=_with_etag, **LIMITS)
            )
            return views.slot_view(resource, etag, ref.resource_group)

        return self._read(f"reading {ref.label}", read)

    def slots(self, ref: SlotRef) -> tuple[SlotView, ...]:
        """All slots of the site but production."""
        found = self._list(
            f"listing the slots of {ref.site}",
            lambda: self._apps.list_slots(*_site(ref), **LISTED),
        )
        return tuple(views.slot_view(item, "", ref.resource_group) for item in found)

    def configuration(self, ref: SlotRef) -> ConfigurationView:
        """config/web, and how a swap would warm the slot up."""

        def read() -> dict[str, Any]:
            got: dict[str, Any] = (
                self._apps.get_configuration(*_site(ref), cls=_raw, **LIMITS)
                if ref.slot is None
                else self._apps.get_configuration_slot(*_site(ref), ref.slot, cls=_raw, **LIMITS)
            )
            return got

        resource, settings = both(
            self._together,
            lambda: self._read(f"reading the configuration of {ref.label}", read),
            lambda: self._settings(ref),
        )
        return views.configuration_view(ref, resource, settings)

    def settings(self, ref: SlotRef) -> tuple[SettingView, ...]:
        """Application settings: names, keyed digests of the values, which stay with the slot."""
        sticky, settings = both(
            self._together,
            lambda: self._read(
                f"reading the sticky settings of {ref.site}",
                lambda: self._apps.list_slot_configuration_names(*_site(ref), cls=_raw, **LIMITS),
            ),
            lambda: self._settings(ref),
        )
        return views.setting_views(settings, views.sticky_names(sticky), self._digest_key)

    def setting_values(self, ref: SlotRef, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """Values of settings that hold no secret. Raises ProductDefect for a name that might."""
        for name in names:
            if _SECRET_NAME.search(name):
                msg = f"the value of setting {name} may be a secret"
                raise ProductDefect("app-service.secret-setting", msg, promise="no-secret-leaves")
        found = self._settings(ref)
        return tuple((name, found[name]) for name in names if name in found)

    def differences(self, ref: SlotRef, target: str) -> tuple[DifferenceView, ...]:
        """What a swap of `ref`'s slot with `target` would change; a POST that only reads."""
        body = effects.canonical(effects.swap_content(target))
        found = self._list(
            f"comparing {ref.label} with {target}",
            lambda: (
                self._apps.list_slot_differences_from_production(*_site(ref), body, **LISTED)
                if ref.slot is None
                else self._apps.list_slot_differences_slot(*_site(ref), ref.slot, body, **LISTED)
            ),
        )
        return tuple(views.difference_view(item) for item in found)

    def instances(self, ref: SlotRef) -> tuple[InstanceView, ...]:
        """The worker instances behind a slot, in the order of their ids."""
        found = self._list(
            f"listing the instances of {ref.label}",
            lambda: (
                self._apps.list_instance_identifiers(*_site(ref), **LISTED)
                if ref.slot is None
                else self._apps.list_instance_identifiers_slot(*_site(ref), ref.slot, **LISTED)
            ),
        )
        return tuple(sorted((views.instance_view(item) for item in found), key=lambda i: i.id))

    def deployments(self, ref: SlotRef) -> tuple[DeploymentView, ...]:
        """The deployment history of a slot, as the service lists it."""
        found = self._list(
            f"listing the deployments of {ref.label}",
            lambda: (
                self._apps.list_deployments(*_site(ref), **LISTED)
                if ref.slot is None
                else self._apps.list_deployments_slot(*_site(ref), ref.slot, **LISTED)
            ),
        )
        return tuple(views.deployment_view(item) for item in found)

    def activity(self, ref: SlotRef, since: datetime, until: datetime) -> tuple[ActivityView, ...]:
        """The activity log of the whole site in a time window, oldest first.

        Raises ConnectorError where an entry says no time: it may be of the window, and of the site.
        """
        doing = f"reading the activity log of {ref.site}"
        wanted = (
            f"eventTimestamp ge '{rfc3339(since)}' and eventTimestamp le '{rfc3339(until)}'"
            f" and resourceGroupName eq '{ref.resource_group}'"
        )
        path = (
            f"/subscriptions/{self._subscription}/providers/Microsoft.Insights"
            "/eventtypes/management/values"
        )
        query = urlencode({"api-version": "2015-04-01", "$filter": wanted}, safe="$")
        items = self._pages(doing, f"{path}?{query}")
        whole = ref.model_copy(update={"slot": None})
        under = effects.site_path(self._subscription, whole).lower()
        seen = [view for item in items if (view := views.activity_view(item)) is not None]
        if len(seen) < len(items):
            what = "an entry of it says no time"
            raise self._border.error(Failure("unreadable", what, transient=False), doing)
        mine = [view for view in seen if f"{view.resource.lower()}/".startswith(f"{under}/")]
        return tuple(sorted(mine, key=lambda view: view.at))

    def worker_logs(self, ref: SlotRef) -> bytes:
        """The last lines of the workers' logs, at most 8 MiB; a POST that only reads."""

        def read() -> bytes:
            stream = (
                self._apps.get_web_site_container_logs(*_site(ref), **LIMITS)
                if ref.slot is None
                else self._apps.get_web_site_container_logs_slot(*_site(ref), ref.slot, **LIMITS)
            )
            return _bounded(stream or (), LOG_BYTES_MAX)

        return self._read(f"reading the worker logs of {ref.label}", read)

    # --- writes, each sent once ------------------------------------------------------------

    def swap(self, ref: SlotRef, target: str) -> str:
        """Start a swap; return the Location to look at (empty where the service gave none)."""
        body = effects.canonical(effects.swap_content(target))
        with self._border.crossing(f"swapping {ref.label} with {target}"):
            poller: Any = (
                self._apps.begin_swap_slot_with_production(
                    *_site(ref), body, polling=False, cls=_location, **LIMITS
                )
                if ref.slot is None
                else self._apps.begin_swap_slot(
                    *_site(ref), ref.slot, body, polling=False, cls=_location, **LIMITS
                )
            )
            return str(poller.result() or "")

    def set_ramp_rules(self, ref: SlotRef, rules: tuple[RampRule, ...]) -> None:
        """Set exactly these ramp-up rules."""
        self._configure(ref, effects.ramp_rules_content(rules), "setting ramp-up rules of")

    def set_auto_swap(self, ref: SlotRef, target: str) -> None:
        """Set the auto-swap target; empty switches it off."""
        self._configure(ref, effects.auto_swap_content(target), "setting auto-swap of")

    def set_image(self, ref: SlotRef, image: str) -> None:
        """Pin the container image, by digest."""
        self._configure(ref, effects.image_content(image), "pinning the image of")

    def start(self, ref: SlotRef) -> None:
        """Start a stopped slot."""
        with self._border.crossing(f"starting {ref.label}"):
            if ref.slot is None:
                self._apps.start(*_site(ref), **LIMITS)
            else:
                self._apps.start_slot(*_site(ref), ref.slot, **LIMITS)

    def stop(self, ref: SlotRef) -> None:
        """Stop a slot; production is never stopped, and no plan can permit it."""
        with self._border.crossing(f"stopping {ref.label}"):
            if ref.slot is None:
                raise ProductDefect("app-service.stop-production", "production is never stopped")
            self._apps.stop_slot(*_site(ref), ref.slot, **LIMITS)

    # --- inside ------------------------------------------------------------------------------

    def _list(self, doing: str, read: Callable[[], ItemPaged[Any]]) -> list[dict[str, Any]]:
        return self._read(doing, lambda: self._every_item(read().by_page(), doing))

    def _every_item(self, pages: Any, doing: str) -> list[dict[str, Any]]:
        """pages: azure-core's, which follows a next page wherever it leads, and as often."""
        some: list[dict[str, Any]] = []
        seen: set[str] = set()
        for page in pages:
            some += [one.as_dict() for one in page]
            self._fits(len(some), doing)
            if following := pages.continuation_token:
                self._follow(following, seen, doing)
        return some

    def _settings(self, ref: SlotRef) -> dict[str, str]:
        def read() -> dict[str, Any]:
            got: dict[str, Any] = (
                self._apps.list_application_settings(*_site(ref), cls=_raw, **LIMITS)
                if ref.slot is None
                else self._apps.list_application_settings_slot(
                    *_site(ref), ref.slot, cls=_raw, **LIMITS
                )
            )
            return got

        found = self._read(f"reading the settings of {ref.label}", read)
        if not isinstance(at(found, "properties"), Mapping):
            failure = Failure("unreadable", "the answer holds no settings", transient=False)
            raise self._border.error(failure, f"reading the settings of {ref.label}")
        return views.settings_of(found)

    def _configure(self, ref: SlotRef, content: effects.Content, doing: str) -> None:
        body = effects.canonical(content)
        with self._border.crossing(f"{doing} {ref.label}"):
            if ref.slot is None:
                self._apps.update_configuration(*_site(ref), body, **LIMITS)
            else:
                self._apps.update_configuration_slot(*_site(ref), ref.slot, body, **LIMITS)


def _site(ref: SlotRef) -> tuple[str, str]:
    return ref.resource_group, ref.site


def _raw(response: Any, *_: object) -> dict[str, Any]:
    content = response.http_response.json()
    return dict(content) if isinstance(content, dict) else {}


def _with_etag(response: Any, *_: object) -> tuple[dict[str, Any], str]:
    return _raw(response), response.http_response.headers.get("ETag", "")


def _location(response: Any, *_: object) -> str:
    return str(response.http_response.headers.get("Location") or "")


def _bounded(stream: Iterable[bytes], bytes_max: int) -> bytes:
    """The last bytes of a stream, whatever its length."""
    found = bytearray()
    for piece in stream:
        found += piece
        if len(found) >= 2 * bytes_max:
            del found[:-bytes_max]
    return bytes(found[-bytes_max:])
