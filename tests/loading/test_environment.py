"""Environments: variables, secrets that stay references, rules said at their line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rollback.errors import InputError
from rollback.loading.environment import Environment, load_environment
from rollback.loading.playbook import read_playbook
from rollback.loading.together import check_together
from rollback.model import environment as model

EXAMPLES = Path(__file__).parents[2] / "examples" / "environments"
KEY = "  key: ${COSMOS_KEY}\n"
PRODUCTION = (EXAMPLES / "production.yaml").read_text().replace("  entra: true\n", KEY)
"""As it is with a key; what the example shows is Entra."""
VARIABLES = {
    "PLATFORM_API_URL": "https://platform.trading.example",
    "PLATFORM_AUTH_ENABLED": "true",
    "PLATFORM_JWT_ISSUER": "https://platform.trading.example",
    "PLATFORM_JWT_JWKS_URL": "https://platform.trading.example/.well-known/jwks.json",
    "COSMOS_ENDPOINT": "https://trading-cosmos.documents.azure.com",
    "COSMOS_DATABASE": "trading",
    "COSMOS_KEY": "planted-secret-value",
}

KEYS = """    access_key_id: ${EVIDENCE_ACCESS_KEY_ID}
    secret_access_key: ${EVIDENCE_SECRET_ACCESS_KEY}
"""
"""As a pair of keys is written; what the example shows is a role."""
SHOWN = """    role_arn: arn:aws:iam::123456789012:role/rollback-evidence
    web_identity_token_file: /var/run/secrets/eks.amazonaws.com/serviceaccount/token
"""
ROLE = "arn:aws:iam::123456789012:role/evidence"
TAKEN = f"    role_arn: {ROLE}\n    web_identity_token_file: t\n"


def changed(*changes: tuple[str, str], variables: dict[str, str] | None = None) -> Environment:
    text = PRODUCTION
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return Environment.read(text, VARIABLES if variables is None else variables, file="e.yaml")


def said(*changes: tuple[str, str], variables: dict[str, str] | None = None) -> str:
    with pytest.raises(InputError) as caught:
        changed(*changes, variables=variables)
    assert caught.value.exit_status == 2
    return "\n".join(str(complaint) for complaint in caught.value.complaints)


def line_of(words: str) -> int:
    return next(n for n, line in enumerate(PRODUCTION.splitlines(), 1) if words in line)


def test_the_production_example_loads() -> None:
    found = load_environment(EXAMPLES / "production.yaml", VARIABLES)
    assert isinstance(found, model.Environment)
    assert found.kind is model.Kind.PRODUCTION
    assert found.surface_names == ("backend", "web", "mobile")
    store = found.evidence.store
    assert isinstance(store, model.S3Store)
    assert store.role_arn is not None
    assert (store.access_key_id, store.secret_access_key) == (None, None)
    assert found.platform.auth_enabled is True
    assert (found.cosmos.entra, found.cosmos.key) == (True, None)
    assert found.cosmos.database == "trading"
    assert dict(found.surface("web").slot_hosts) == {
        "staging": "trading-web-staging.azurewebsites.net"
    }
    assert found.surface("backend").releases[1].control_schema == (3, 5)
    assert found.base == str(EXAMPLES)
    assert found.approvals.allowed_signers == "production.allowed_signers"


def test_a_key_is_the_other_way_as_the_example_says() -> None:
    shown = (EXAMPLES / "production.yaml").read_text()
    text = shown.replace("  entra: true\n  # key: ${COSMOS_KEY}  # instead of `entra`\n", KEY)
    found = Environment.read(text, VARIABLES, file="e.yaml").cosmos
    assert (found.entra, found.key) == (False, model.Secret(variable="COSMOS_KEY"))
    assert changed().cosmos == found


def test_the_rehearsal_example_loads_without_any_variable() -> None:
    found = Environment.load(EXAMPLES / "rehearsal.yaml", {})
    assert found.kind is model.Kind.REHEARSAL
    assert found.policy.swap_s_max == 30
    assert dict(found.network.resolve)["management.azure.com"] == "127.0.0.1:8443"


def test_the_process_is_asked_for_variables_when_the_file_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert Environment.load(EXAMPLES / "production.yaml").cosmos.database == "trading"


def test_all_missing_variables_are_named_with_their_lines() -> None:
    words = said(variables={"PLATFORM_API_URL": ""})
    assert (
        f"e.yaml:{line_of('${COSMOS_DATABASE}')}:3: the variable COSMOS_DATABASE is not set"
        in words
    )
    assert "the variable PLATFORM_API_URL is empty" in words
    for name in VARIABLES:
        assert (name in words) is (name != "COSMOS_KEY")


def test_a_reference_may_stand_inside_text() -> None:
    found = changed(
        ("name: Trading platform on call", "name: On call in ${REGION}, ${TEAM}"),
        variables=VARIABLES | {"REGION": "London", "TEAM": "trading"},
    )
    assert found.owner.name == "On call in London, trading"


@pytest.mark.parametrize(("value", "held"), [("true", True), ("FALSE", False), ("False", False)])
def test_a_variable_of_a_yes_or_no_field_is_read_as_one(value: str, held: bool) -> None:
    found = changed(variables=VARIABLES | {"PLATFORM_AUTH_ENABLED": value})
    assert found.platform.auth_enabled is held


def test_a_variable_of_a_number_field_is_read_as_one() -> None:
    found = changed(
        ("required: 2", "required: ${APPROVERS}\n  age_s_max: ${AGE}"),
        variables=VARIABLES | {"APPROVERS": "3", "AGE": "15m"},
    )
    assert (found.approvals.required, found.approvals.age_s_max) == (3, 900)


def test_a_secret_stays_a_reference_everywhere() -> None:
    """Promise no-secret-leaves: the value of COSMOS_KEY is set, and in no form of the value."""
    found = changed()
    for text in (repr(found), found.model_dump_json(), str(found.model_dump())):
        assert "planted-secret-value" not in text
    assert '"${COSMOS_KEY}"' in found.model_dump_json()


@pytest.mark.parametrize(
    "change",
    [
        ("key: ${COSMOS_KEY}", "key: hunter2-hunter2"),
        ("key: ${COSMOS_KEY}", "key: 'x${COSMOS_KEY}hunter2-hunter2'"),
        ("key: ${COSMOS_KEY}", "key: {variable: hunter2-hunter2}"),
        ("token: ${OPERATOR_TOKEN}", "token: [hunter2-hunter2]"),
        ("address: ${INCIDENT_WEBHOOK}", "address: https://hooks.example/hunter2-hunter2"),
        ("endpoint: ${COSMOS_ENDPOINT}", "endpoint: https://u:hunter2-hunter2@x.example/"),
    ],
)
def test_a_literal_secret_is_refused_and_not_repeated(change: tuple[str, str]) -> None:
    words = said(change)
    assert "hunter2" not in words
    assert ("no-secret-leaves" in words) is (not change[0].startswith("endpoint"))


@pytest.mark.parametrize(
    "name", ["COSMOS_KEY", "OPERATOR_TOKEN", "SOME_PASSWORD", "INCIDENT_WEBHOOK"]
)
def test_a_variable_that_holds_a_secret_is_not_put_into_text(name: str) -> None:
    words = said(
        ("prefix: rollbacks/", f"prefix: ${{{name}}}/"),
        variables=VARIABLES | {name: "planted-secret-value"},
    )
    assert f"no-secret-leaves: the variable {name} holds a secret" in words
    assert "planted-secret-value" not in words


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("owner:\n", "ownr:\n", "`owner` is missing"),
        ("owner:\n", "ownr:\n", "did you mean owner?"),
        ("kind: production", "kind: prod", "`prod` does not fit at kind"),
        ("cutover_stage: controlled", "cutover_stage: uncontrolled", "at cutover_stage"),
        ("site: trading-web", "site: 5", "a number does not fit at surfaces.web.site"),
        ("provider: unsupported\n", "provider: unsupported\n    hosts: x\n", "surfaces.mobile.hosts"),
        ("    human_step: Pause", "    # human_step: Pause", "an unsupported surface without human_step"),
        ("    site: trading-web\n", "", "an app-service surface without site"),
        ("surface: backend", "surface: bakend", "`bakend` is no surface at halt_authority.surface"),
        ("surface: backend", "surface: bakend", "did you mean backend?"),
        ("surface: backend", "surface: mobile", "`mobile` is unsupported here"),
        ("jwks_url: ${PLATFORM_JWT_JWKS_URL}", "secret: ${JWT_SECRET}", "HS256 (a shared secret)"),
        ("jwks_url: ${PLATFORM_JWT_JWKS_URL}", "audience: a", "exactly one of jwks_url, public_key"),
        ("journal_mirror: true", "journal_mirror: true\nlegacy_dependencies: [supabase]",
         "platform-service and Cosmos are the only supported production systems"),
        ("journal_mirror: true", "journal_mirror: true\npolicy: {volatile_s_max: 61}", "policy.volatile_s_max"),
        ("journal_mirror: true", "journal_mirror: true\npolicy: {volatile_s_max: 0}", "policy.volatile_s_max"),
        ("  key: ${COSMOS_KEY}\n", "", "exactly one of key or entra: true"),
        ("path: /api/control/authority", "path: null", "fewer than two weaker proofs"),
        ("refused_token: ${VIEWER_TOKEN}", "refused_token: ${OPERATOR_TOKEN}", "the same token"),
        ("rollback_floor: 2026.10.9", "rollback_floor: 2026.10.8", "is not in the surface's releases"),
        ("last_stable: 2026.11.1", "last_stable: 2026.12.1", "is not in the surface's releases"),
        ("- build: 2026.11.2\n    ways", "- build: 2026.11.1\n    ways", "a second release 2026.11.1"),
        ("control_schema: [3, 4]", "control_schema: [4, 3]", "the lowest version is above"),
        ("- build: 2026.10.9\n        control", "- build: 2026.10\n        control",
         "text (a value that looks like a number needs quotes)"),
        ("backend@sha256:1", "backend:latest", "a tag is not an identity"),
        ("store: {kind: s3, prefix: leases/}", "store: {kind: folder}", "protects this machine only"),
        ("store: {kind: s3, prefix: leases/}", "store: {kind: s4}", "kind: one of 'folder', 's3'"),
        ("store: {kind: s3, prefix: leases/}", "store: {kind: azure-blob}", "without an evidence store of that kind"),
        ("allowed_signers: production", "# production", "production without anybody who may approve"),
        ("required: 2", "required: 1", "fewer than two approvals"),
        ("journal_mirror: true", "journal_mirror: false", "without a mirror"),
        ("endpoint: ${COSMOS_ENDPOINT}", "endpoint: http://x.example", "production over plain http"),
        ("endpoint: ${COSMOS_ENDPOINT}", "endpoint: ${cosmos}", "not a reference to a variable"),
        ("endpoint: ${COSMOS_ENDPOINT}", "endpoint: '${COSMOS'", "not a reference to a variable"),
        ("staging: trading-web-staging", "staging: Trading-Web", "surfaces.web.slot_hosts.staging"),
        ("retention_days: 365", "retention_days: 365d", "evidence.store.retention_days"),
        (SHOWN, "    access_key_id: ${A}\n", "are named both, or neither"),
        (SHOWN, "    secret_access_key: ${A}\n", "are named both, or neither"),
        (SHOWN, f"{KEYS}    role_arn: {ROLE}\n", "a pair of keys, or a role"),
        (SHOWN, f"{KEYS}    web_identity_token: ${{A}}\n", "name its role_arn"),
        (SHOWN, "    web_identity_token_file: token\n", "name its role_arn"),
        (SHOWN, "    sts_endpoint: https://a.example\n", "name its role_arn"),
        (SHOWN, f"    role_arn: {ROLE}\n", "exactly one of web_identity_token, web_identity_token_file"),
        (SHOWN, f"    role_arn: {ROLE}\n    web_identity_token: ${{A}}\n    web_identity_token_file: t\n",
         "exactly one of web_identity_token, web_identity_token_file"),
        (SHOWN, f"{TAKEN}    sts_endpoint: https://a.example/sts\n", "sts_endpoint has no path"),
        (SHOWN, f"{TAKEN}    sts_endpoint: http://a.example\n", "production over plain http"),
        (SHOWN, TAKEN.replace("token_file: t", "token: eyJ.e30.x"), "is written here as a value"),
        (SHOWN, TAKEN.replace("role/", "user/"), "evidence.store.role_arn"),
        (SHOWN, TAKEN.replace("1234", "123"), "evidence.store.role_arn"),
        (SHOWN, TAKEN.replace("file: t", "file: ''"), "evidence.store.web_identity_token_file"),
        ("other_surface: backend", "other_surface: api", "forbidden_pairs[0].other_surface"),
        ("channels:\n", "channels:\n  - {name: incident, address: '${A}', host: a.b, path: /x}\n",
         "a second channel named incident"),
        ("prevented_by: leader-lease", "prevented_by: sticky-setting", "is named by `setting`"),
        ("prevented_by: leader-lease", "prevented_by: leader-lease, setting: LOOP", "is named by `setting`"),
        ("prevented_by: leader-lease", "prevented_by: sticky-setting, setting: LOOP_KEY", "may be a secret"),
        ("owner:\n", "base: /srv\nowner:\n", "unknown key `base`"),
        ("owner:\n", "source: x\nowner:\n", "unknown key `source`"),
        ("surfaces:\n", "surfaces: 5\nsurfacs:\n", "a number does not fit at surfaces"),
    ],
)  # fmt: skip
def test_what_does_not_load_says_why(old: str, new: str, expected: str) -> None:
    assert expected in said((old, new))


def test_hs256_is_for_environments_that_say_so() -> None:
    found = changed(
        ("jwks_url: ${PLATFORM_JWT_JWKS_URL}", "secret: ${JWT_SECRET}"),
        ("kind: production", "kind: production\ncompatibility: hs256"),
    )
    assert found.platform.jwt.secret == model.Secret(variable="JWT_SECRET")


def test_complaints_point_at_their_lines() -> None:
    words = said(("retention_days: 365", "retention_days: -1"), ("site: trading-web", "site: 5"))
    assert f"e.yaml:{line_of('site: trading-web')}:5:" in words
    assert f"e.yaml:{line_of('retention_days')}:5:" in words


def test_a_rehearsal_may_do_without_what_production_needs() -> None:
    assert (
        changed(("kind: production", "kind: staging"), ("journal_mirror: true", "")).journal_mirror
        is False
    )


NO_ADDRESSES = (
    "https://[", "https://[::1", "https://[x]/", "https://host:99999/", "https://host:port",
    "https://\u2100.com", "host:99999", "host:0", "[::1]:443", "host:\u0663",
)  # fmt: skip


@pytest.mark.parametrize("bad", NO_ADDRESSES)
@pytest.mark.parametrize(
    "line",
    [
        "  api_url: ${PLATFORM_API_URL}",
        "  endpoint: ${COSMOS_ENDPOINT}",
        "    hosts: [trading-web.azurewebsites.net]",
        "network: {resolve: {web.trading.example: '127.0.0.1:8443'}}",
    ],
)
def test_what_leads_nowhere_is_refused_at_its_line(line: str, bad: str) -> None:
    text = PRODUCTION if line in PRODUCTION else f"{PRODUCTION}\n{line}\n"
    before, _, value = line.rpartition(": ")
    written = {"[": f"[{bad!r}]", "'": f"{bad!r}}}}}"}.get(value[0], repr(bad))
    broken = text.replace(line, f"{before}: {written}")
    with pytest.raises(InputError) as caught:
        Environment.read(broken, VARIABLES, file="e.yaml")
    (complaint,) = caught.value.complaints
    number = text.splitlines().index(line) + 1
    assert str(complaint).startswith(f"e.yaml:{number}:")


@given(st.data())
def test_any_value_anywhere_loads_or_is_refused(data: st.DataObject) -> None:
    """A value of any kind in any place: an environment, or complaints with lines; nothing else."""
    tree = yaml.safe_load(PRODUCTION)
    here = tree
    while True:
        key = data.draw(st.sampled_from(list(here) if isinstance(here, dict) else range(len(here))))
        if not isinstance(here[key], (dict, list)) or not here[key] or data.draw(st.booleans()):
            break
        here = here[key]
    here[key] = data.draw(
        st.none()
        | st.booleans()
        | st.integers(-5, 5)
        | st.text(max_size=5)
        | st.floats(0, 1)
        | st.sampled_from(
            ["${A}", "${COSMOS_KEY}", "5m", [], {}, [[]], {"a": {"b": []}}, [{"kind": "s3"}]]
        )
        | st.sampled_from(NO_ADDRESSES)
    )
    text = yaml.safe_dump(tree, sort_keys=False, width=1000)
    try:
        Environment.read(text, VARIABLES)
    except InputError as error:
        assert error.complaints  # noqa: PT017
        assert all(complaint.line for complaint in error.complaints)  # noqa: PT017


def steps(text: str) -> tuple[str, ...]:
    playbook = read_playbook(f"playbook: p\nsummary: s\nsteps:\n{text}", file="p.yaml")
    return tuple(str(complaint) for complaint in check_together(playbook, changed()))


def test_a_playbook_that_fits_has_no_complaints() -> None:
    assert steps("- a: {action: revert_deployment, surfaces: [mobile, web], to: 2026.11.1}\n") == ()
    assert steps("- a: {action: notify, channel: incident}\n") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a: {action: halt_rollout, surfaces: [web, webb]}", "p.yaml:4: trading-production has no surface `webb`"),
        ("- a: {action: halt_rollout, surfaces: [web, webb]}", "did you mean web?"),
        ("- a: {action: notify, channel: incidents}", "did you mean incident?"),
        ("- a: {action: revert_deployment, surface: web, to: 2026.1.1}", "not in the release catalogue of web"),
        ("- a: {action: revert_deployment, surface: web, way: image}", "web does not allow the way image"),
    ],
)  # fmt: skip
def test_a_playbook_for_another_environment_is_told_so(text: str, expected: str) -> None:
    assert expected in "\n".join(steps(text + "\n"))


@pytest.mark.parametrize(
    ("credential", "named"),
    [
        ("", (None, None, None)),
        (TAKEN, (ROLE, None, "t")),
        (TAKEN.replace("_file: t", ": ${WEB_IDENTITY}"), (ROLE, model.Secret(variable="WEB_IDENTITY"), None)),
        (f"{TAKEN}    sts_endpoint: https://sts.example/\n", (ROLE, None, "t")),
        (TAKEN.replace(":aws:", ":aws-us-gov:"), (ROLE.replace(":aws:", ":aws-us-gov:"), None, "t")),
    ],
)
def test_a_buckets_credential_is_one_of_three(credential: str, named: tuple[object, ...]) -> None:
    store = changed((SHOWN, credential)).evidence.store
    assert isinstance(store, model.S3Store)
    assert (store.access_key_id, store.secret_access_key) == (None, None)
    found = (store.role_arn, store.web_identity_token, store.web_identity_token_file)
    assert found == named
