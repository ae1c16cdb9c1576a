"""Whatever a newcomer gets wrong: one clear error with file and line, a hint, exit 2, no traceback.

One table. Each case also leaves every folder as it was: nothing is half written.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from playbooks import path
from rollback.loading.rules import ADDRESSES
from rollback.loading.shape import Shape, shape_of
from rollback.model.environment import Environment
from rollback.planning.canonical import canonical
from tests.builders import make_plan
from tests.cli.conftest import Rollback

ROOT = Path(__file__).parents[2]
SHOWN = (ROOT / "examples/environments/production.yaml").read_text()
PRODUCTION = SHOWN.replace("  entra: true\n", "  key: ${COSMOS_KEY}\n")
PLAYBOOK = path("full-rollback").read_text()
HEAD = "playbook: mine\nsummary: s\nsteps:\n"
VARIABLES = {
    "PLATFORM_API_URL": "https://platform.trading.example",
    "PLATFORM_AUTH_ENABLED": "true",
    "PLATFORM_JWT_ISSUER": "https://platform.trading.example",
    "PLATFORM_JWT_JWKS_URL": "https://platform.trading.example/.well-known/jwks.json",
    "COSMOS_ENDPOINT": "https://trading-cosmos.documents.azure.com",
    "COSMOS_DATABASE": "trading",
}


@dataclass
class Place:
    """A folder with everything that is right in it, so that each case breaks one thing."""

    folder: Path

    def put(self, name: str, data: str | bytes) -> str:
        file = self.folder / name
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        return str(file)

    def playbook(self, data: str | bytes) -> str:
        return self.put("mine.yaml", data)

    def environment(self, *changes: tuple[str, str]) -> str:
        text = PRODUCTION
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        return self.put("environment.yaml", text)

    def plan(self, data: bytes | None = None) -> str:
        return self.put("plan.json", canonical(make_plan()) if data is None else data)

    def signers(self, people: int = 2) -> str:
        lines = [f"p{number}@x {_public()}\n" for number in range(people)]
        return self.put("production.allowed_signers", "".join(lines))

    def tree(self) -> dict[str, int]:
        return {
            str(file): file.lstat().st_mtime_ns
            for file in self.folder.rglob("*")
            if not file.is_dir()
        }


def _public() -> str:
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    found = Place(tmp_path)
    found.signers()
    return found


def bad(
    rollback: Rollback, place: Place, args: tuple[str, ...], *words: str, out: bool = False
) -> str:
    before = place.tree()
    ran = rollback("--state", place.folder / "state", *args)
    assert ran.status == 2, (ran.out, ran.err)
    assert "error: " in ran.err
    assert "hint: " in ran.err
    assert "Traceback" not in ran.err
    assert not ran.out or out
    for word in words:
        assert word in ran.err, ran.err
    assert place.tree() == before
    assert not (place.folder / "state").exists()
    return ran.err


A = "  - a: {action: halt_rollout, surfaces: [backend]}\n"
PLAYBOOKS: dict[str, tuple[str | bytes, str]] = {
    "empty": (b"", "mine.yaml:1: is empty; expected a playbook"),
    "blank": ("\n \n# nothing\n", "mine.yaml:1: is empty"),
    "only a byte order mark": (b"\xef\xbb\xbf", "mine.yaml:1: is empty"),
    "binary": (b"\x89PNG\r\n\x1a\n\x00", "mine.yaml:3: is a binary file"),
    "latin-1": (b"a: b\nsummary: caf\xe9\n", "mine.yaml:2: is not UTF-8 text"),
    "utf-16": ("playbook: x".encode("utf-16"), "mine.yaml:1: is UTF-16, not UTF-8"),
    "a control character": ("a: b\nc: 'd\x01'\n", "mine.yaml:2: holds a character YAML does not"),
    "a control character after an umlaut": ("a: ü\nc: 'd\x07'\n", "mine.yaml:2: holds a char"),
    "text": ("hello", "mine.yaml:1:1: text where a playbook was expected"),
    "a list": ("- a\n", "mine.yaml:1:1: a list where a playbook was expected"),
    "a number": ("42", "mine.yaml:1:1: a number where a playbook was expected"),
    "a tab": ("playbook: x\n\tsummary: y\n", "mine.yaml:2:1: a tab: YAML indents with spaces"),
    "a tab before a step": (f"{HEAD}\t- a: {{}}\n", "mine.yaml:4:1: a tab: YAML indents with spaces"),
    "two documents": ("a: 1\n---\nb: 2\n", "mine.yaml:2:1: a second document starts here"),
    "5,000 deep, lists": ("[" * 5_000, "mine.yaml:1:65: nested deeper than 64 levels"),
    "5,000 deep, mappings": ('{"a":' * 5_000, "mine.yaml:1:321: nested deeper"),
    "5,000 deep, closed": ("[" * 5_000 + "]" * 5_000, "mine.yaml:1:65: nested deeper"),
    "1,000 deep, indented": (
        "".join(f"{' ' * depth}a:\n" for depth in range(1_000)), "mine.yaml:65:65: nested deeper",
    ),
    "a bomb of aliases": ("a: &a [x, x]\nb: [*a, *a]\n", "mine.yaml:2:5: *a is an alias"),
    "a merge key": ("a: &a {b: 1}\nc: {<<: *a}\n", "mine.yaml:2:5: a merge key"),
    "a tag": ("a: !!python/object/apply:os.system ['id']\n", "is a tag"),
    "a duplicate key": ("playbook: x\nplaybook: y\n", "mine.yaml:2:1: the key `playbook` is already"),
    "an open quote": ("playbook: 'x\n", "mine.yaml:2:1: found unexpected end of stream"),
    "three megabytes": ("a: " + "x" * 3_000_000, "mine.yaml: cannot be read: it is larger than"),
    "an unknown key": (HEAD + A + "stpes: []\n", "mine.yaml:5:1: "),
    "an unknown action": (HEAD + A.replace("rollout", "rolout"), "mine.yaml:4:9: unknown action"),
    "a wrong type": (HEAD + A.replace("[backend]", "7"), "mine.yaml:4:31: a number does not fit"),
    "a duplicate step": (HEAD + A + A, "mine.yaml:5:5: a second step named a (the first is on"),
    "a cycle": (
        HEAD + A.replace("]}", "], after: [b]}") + A.replace("a:", "b:", 1).replace("]}", "], after: [a]}"),
        "steps wait for each other: a -> b -> a",
    ),
    "a step after nobody": (HEAD + A.replace("]}", "], after: [z]}"), "mine.yaml:4:"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "words"), PLAYBOOKS.values(), ids=PLAYBOOKS)
@pytest.mark.parametrize("verb", ["validate", "plan", "rehearse"])
def test_playbooks(
    rollback: Rollback, place: Place, verb: str, data: str | bytes, words: str
) -> None:
    more = ("--environment", place.environment()) if verb == "plan" else ()
    bad(rollback, place, (verb, place.playbook(data), *more), words)


@pytest.mark.parametrize("data", [PLAYBOOK.replace("\n", "\r\n"), "\ufeff" + PLAYBOOK])
def test_what_is_no_mistake(rollback: Rollback, place: Place, data: str) -> None:
    """Windows line ends, and a byte order mark."""
    assert rollback("validate", place.playbook(data)).status == 0


def test_environments_are_read_like_playbooks(rollback: Rollback, place: Place) -> None:
    for data, words in PLAYBOOKS.values():
        if "playbook" in words or b"steps" in (data.encode() if isinstance(data, str) else data):
            continue
        file = place.put("environment.yaml", data)
        bad(
            rollback, place, ("plan", "full-rollback", "--environment", file),
            words.replace("mine", "environment"),
        )  # fmt: skip


ENVIRONMENTS: dict[str, tuple[tuple[str, str], str]] = {
    "a missing variable": (("${COSMOS_DATABASE}", "${NOT_SET}"), "the variable NOT_SET is not set"),
    "a secret as a value": (("${COSMOS_KEY}", "C2Fx"), "no-secret-leaves: a secret is written"),
    "an unknown surface": (("surface: backend", "surface: bakend"), "`bakend` is no surface"),
    "a wrong type": (("required: 2", "required: two"), ": text does not fit"),
    "one approval": (("required: 2", "required: 1"), "production with fewer than two approvals"),
    "no signers": (("allowed_signers: production", "# production"), "production without anybody"),
    "plain http": (("${COSMOS_ENDPOINT}", "http://trading"), "production over plain http"),
}


@pytest.mark.parametrize(("change", "words"), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
@pytest.mark.parametrize("verb", ["validate", "plan", "doctor", "apply"])
def test_environments(
    rollback: Rollback, place: Place, verb: str, change: tuple[str, str], words: str
) -> None:
    if change[0] not in PRODUCTION:
        pytest.fail(change[0])
    file = place.environment(change)
    first: tuple[str, ...] = (verb,)
    if verb == "apply":
        first += (place.plan(),)
    elif verb != "doctor":
        first += ("full-rollback",)
    told = bad(rollback, place, (*first, "--environment", file), words, out=verb == "validate")
    assert "environment.yaml:" in told
    assert "C2Fx" not in told


@pytest.mark.parametrize("address", ADDRESSES, ids=".".join)
def test_plain_http_behind_a_variable(
    rollback: Rollback, place: Place, monkeypatch: pytest.MonkeyPatch, address: tuple[str, ...]
) -> None:
    """Also where the environment says that it is production by a variable."""
    monkeypatch.setenv("KIND", "production")
    monkeypatch.setenv("PLAIN", "http://somewhere.example")
    *above, last = address
    text, at = PRODUCTION, 0
    for part in above:
        at = text.index(f"{part}:", at)
    at = text.find(f"{last}:", at)
    if last == "endpoint" and above[0] == "evidence":
        at = text.index("kind: s3", text.index("evidence:"))
        text = f"{text[:at]}endpoint: ${{PLAIN}}\n    {text[at:]}"
    elif last == "sts_endpoint":
        at = text.index("role_arn:")
        text = f"{text[:at]}sts_endpoint: ${{PLAIN}}\n    {text[at:]}"
    elif last == "regions":
        at = text.index("endpoint:", text.index("cosmos:"))
        text = f'{text[:at]}regions: ["${{PLAIN}}"]\n  {text[at:]}'
    else:
        text = f"{text[:at]}{last}: ${{PLAIN}}{text[text.index(chr(10), at):]}"
    assert "kind: production\n" in text
    file = place.put("environment.yaml", text.replace("kind: production\n", "kind: ${KIND}\n"))
    line = text[: text.index("${PLAIN}")].count("\n") + 1
    bad(
        rollback, place, ("validate", "full-rollback", "--environment", file),
        f"environment.yaml:{line}:", "production over plain http", out=True,
    )  # fmt: skip


def test_every_address_of_an_environment_is_looked_at() -> None:
    """A field that takes an address and is new fails here until the rule knows it."""

    def addresses(shape: Shape, at: tuple[str, ...]) -> set[tuple[str, ...]]:
        found = set()
        for model in shape.models:
            for name, info in model.model_fields.items():
                if "^https?://" in repr((info.annotation, info.metadata)):
                    found.add((*at, name))
        for name, inner in shape.fields:
            found |= addresses(inner, (*at, name))
        return found

    assert addresses(shape_of(Environment), ()) == {*ADDRESSES, ("network", "proxy")}


def _named(place: Place, signers: str | None, ca: str = "") -> tuple[str, ...]:
    changes = []
    if signers is not None:
        changes.append(("production.allowed_signers", signers))
    if ca:
        changes.append(("halt_authority:", f"network: {{ca_file: {ca}}}\nhalt_authority:"))
    return ("validate", "full-rollback", "--environment", place.environment(*changes))


def test_files_an_environment_names(rollback: Rollback, place: Place) -> None:
    """Signers and certificates are read when the environment is validated, not at night."""
    line = next(n for n, one in enumerate(PRODUCTION.split("\n"), 1) if "allowed_signers:" in one)
    assert rollback(*_named(place, None)).status == 0
    here = f"environment.yaml:{line}:"
    alone = f"a@x {_public()}\n"
    cases: dict[str, tuple[str | bytes, str]] = {
        "empty": (b"", "holds 0 keys, and 2 people must approve"),
        "twice": (alone * 2, "holds 1 keys, and 2 people must approve"),
        "one": (alone, "holds 1 keys, and 2 people must approve"),
        "binary": (b"\xff\xfe\x00", "is not UTF-8 text"),
    }
    for name, (data, words) in cases.items():
        place.put(name, data)
        bad(rollback, place, _named(place, name), here, words, out=True)
    (place.folder / "folder").mkdir()
    bad(rollback, place, _named(place, "folder"), here, "it is a directory, not a file", out=True)
    bad(rollback, place, _named(place, "nosuch"), here, "No such file", out=True)
    place.put("broken", f"a@x {_public()}\nb@x ssh-ed25519 notakey\n")
    bad(rollback, place, _named(place, "broken"), "broken:2", out=True)
    for name, words in (("nosuch", "No such file"), ("empty", "holds no certificate")):
        told = bad(rollback, place, _named(place, None, name), words, out=True)
        assert "network.ca_file" in told


def _plans() -> dict[str, tuple[Callable[[bytes], bytes], str]]:
    return {
        "empty": (lambda _: b"", "plan.json: is empty"),
        "binary": (lambda _: b"\x89PNG\x00", "plan.json:1: is not JSON"),
        "cut at once": (lambda data: data[:1], "cut off"),
        "cut in the middle": (lambda data: data[: len(data) // 2], "cut off"),
        "cut at the end": (lambda data: data[:-1], "cut off"),
        "5,000 deep": (lambda _: b"[" * 5_000, "plan.json:1: is not JSON"),
        "5,000 deep, closed": (lambda _: b"[" * 5_000 + b"]" * 5_000, "plan.json:1: is not JSON"),
        "5,000 deep in a plan": (
            lambda data: data.replace(b'"steps":[', b'"steps":[' + b"[" * 5_000, 1), "plan.json:1: ",
        ),
        "utf-16": (lambda data: data.decode().encode("utf-16"), "plan.json:1: is not JSON"),
        "a byte order mark": (lambda data: b"\xef\xbb\xbf" + data, "plan.json:1: is not JSON"),
        "of a newer format": (lambda data: data.replace(b'"format":1', b'"format":99'), "another format"),
        "a wrong type": (lambda data: data.replace(b'"incident":', b'"incident":[],"x":', 1), "plan.json: "),
        "yaml": (lambda _: b"plan: yes\n", "plan.json:1: is not JSON"),
        "null": (lambda _: b"null", "plan.json: "),
    }  # fmt: skip


@pytest.mark.parametrize(("edit", "words"), _plans().values(), ids=_plans())
@pytest.mark.parametrize("verb", ["show", "approve", "apply", "diff"])
def test_plans(
    rollback: Rollback, place: Place, verb: str, edit: Callable[[bytes], bytes], words: str
) -> None:
    file = place.plan(edit(canonical(make_plan())))
    more = {"approve": ("--key", "k"), "diff": (file,)}.get(verb, ())
    bad(rollback, place, (verb, file, *more), words)


KEYS: dict[str, tuple[bytes | None, str]] = {
    "that is not there": (None, "No such file"),
    "that is empty": (b"", "it holds neither a private nor a public SSH key"),
    "that is something else": (b"\x00" * 500, "it holds neither"),
    "of two megabytes": (b"x" * (2 << 20), "it is larger than 1048576 bytes"),
    "that is cut off": (b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb", "passphrase"),
}


@pytest.mark.parametrize(("data", "words"), KEYS.values(), ids=KEYS)
def test_keys(rollback: Rollback, place: Place, data: bytes | None, words: str) -> None:
    key = str(place.folder / "key") if data is None else place.put("key", data)
    args = ("approve", place.plan(), "--key", key, "--yes-environment", "production")
    bad(rollback, place, args, words)


def test_a_good_key_and_a_place_that_takes_no_approval(rollback: Rollback, place: Place) -> None:
    form = (Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    key = place.put("key", Ed25519PrivateKey.generate().private_bytes(*form))
    args = ("approve", place.plan(), "--key", key, "--yes-environment", "production", "--out")
    bad(rollback, place, (*args, str(place.folder / "no" / "a.json")), "cannot be written")


SETTINGS: dict[str, tuple[tuple[str, ...], str]] = {
    "--set without a value": (("--set", "bake"), "--set 'bake' is not NAME=VALUE"),
    "--set twice": (("--set", "bake=1s", "--set", "bake=2s"), "--set bake is given twice"),
    "--set of an unknown name": (("--set", "bak=1s"), "hint: did you mean bake? its parameters are"),
    "--set of a wrong value": (("--set", "bake=soon"), "write a whole number, or a duration like"),
    "--set of nothing": (("--set", "bake="), "parameter bake cannot be ''"),
    "--trigger": (("--trigger", "sign-in-fails"), "there is no trigger named 'sign-in-fails'"),
    "--format": (("--format", "pdf"), "'pdf' is not one of"),
    "--max-chars": (("--max-chars", "0"), "0 is not in the range"),
    "--out in no folder": (("--out", "/nonexistent/plan.json"), "there is no folder /nonexistent"),
    "--out as a folder": (("--out", "/"), "it is a folder"),
    "an unknown option": (("--incidnet", "x"), "--incidnet"),
}


@pytest.mark.parametrize(("args", "words"), SETTINGS.values(), ids=SETTINGS)
def test_settings(rollback: Rollback, place: Place, args: tuple[str, ...], words: str) -> None:
    """Found before anything is looked at."""
    file = place.environment()
    bad(rollback, place, ("plan", "full-rollback", "--environment", file, *args), words)


@pytest.mark.parametrize(
    "args", [("status",), ("status", "latest"), ("resume", "latest"), ("undo", "latest", "--out", "u")]
)  # fmt: skip
def test_a_mistyped_state(
    rollback: Rollback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    """It says where it looked, and that there is no such folder."""
    nowhere, file = tmp_path / "stat", tmp_path / "file"
    file.touch()
    ran = rollback("--state", nowhere, *args)
    assert (ran.status, ran.out) == (2, "")
    assert f"{nowhere} does not exist (--state" in ran.err
    assert "hint: " in ran.err
    assert f"{file} is no folder" in rollback("--state", file, *args).err
    monkeypatch.setenv("ROLLBACK_STATE", str(nowhere))
    ran = rollback(*args)
    assert ran.status == 2
    assert str(nowhere) in ran.err
    assert not nowhere.exists()


def test_where_no_state_is_named_none_need_be_there(
    rollback: Rollback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    ran = rollback("status")
    assert (ran.status, ran.out) == (0, "")
    assert ran.err == f"no runs under {tmp_path}/trade-rollback, which does not exist yet\n"


def test_a_bundle_that_is_a_file(rollback: Rollback, place: Place) -> None:
    bad(rollback, place, ("evidence", "verify", place.put("b", b"")), "is a file")
    bad(rollback, place, ("evidence", "verify", str(place.folder / "no")), "does not exist")


COMMANDS: dict[str, tuple[str, ...]] = {
    "validate": ("validate", "FILE"),
    "validate --environment": ("validate", "full-rollback", "--environment", "FILE"),
    "plan": ("plan", "FILE", "--environment", "FILE"),
    "doctor": ("doctor", "--environment", "FILE"),
    "show": ("show", "FILE"),
    "apply": ("apply", "FILE"),
    "approve": ("approve", "FILE", "--key", "FILE"),
    "approve --key": ("approve", "PLAN", "--key", "FILE", "--yes-environment", "production"),
    "signers": ("validate", "full-rollback", "--environment", "SIGNERS"),
    "evidence verify": ("evidence", "verify", "FILE"),
    "rehearse": ("rehearse", "FILE"),
}


NO_FILES = [
    (command, what)
    for command in COMMANDS
    for what in ("pipe", "device", "folder", "gigabyte")
    if (command, what) != ("evidence verify", "folder")  # that may be a bundle: exit 9
]


def _no_file(place: Place, command: str, what: str) -> tuple[list[str], Path]:
    given = place.folder / what
    match what:
        case "pipe":
            os.mkfifo(given)
        case "device":
            given = Path("/dev/zero")
        case "folder":
            given.mkdir()
        case _:
            with given.open("wb") as file:
                file.truncate(10**9)
    words = {
        "FILE": str(given),
        "PLAN": place.plan(),
        "SIGNERS": place.environment(("production.allowed_signers", str(given))),
    }
    return [words.get(word, word) for word in COMMANDS[command]], given


@pytest.fixture
def impatient() -> Iterator[None]:
    """Ends a test that waits for ever, and fails it."""

    def tired(number: int, _: object) -> None:
        raise TimeoutError(number)

    before = signal.signal(signal.SIGALRM, tired)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(("command", "what"), NO_FILES, ids=" ".join)
@pytest.mark.usefixtures("impatient")
def test_what_is_no_file(rollback: Rollback, place: Place, command: str, what: str) -> None:
    """A pipe that nobody writes to, a device without end, a folder, a gigabyte."""
    args, given = _no_file(place, command, what)
    ran = rollback("--state", place.folder / "state", *args)
    assert ran.status == 2, ran.err
    assert "error: " in ran.err
    assert "hint: " in ran.err
    assert "Traceback" not in ran.err
    assert str(given) in ran.err


@pytest.mark.parametrize("command", ["validate", "show", "approve --key", "signers"])
def test_a_gigabyte_is_not_taken_into_memory(place: Place, command: str) -> None:
    """A process of its own, with 512 MiB of memory."""
    args, given = _no_file(place, command, "gigabyte")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29)); "
    code = f"{limit}from rollback.cli.main import run; raise SystemExit(run({args!r}))"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 2, ran.stderr
    assert str(given) in ran.stderr


def test_every_complaint_is_there_for_machines_too(rollback: Rollback, place: Place) -> None:
    ran = rollback("validate", place.playbook(HEAD + A + A), "--json")
    assert ran.status == 2
    (found,) = json.loads(ran.out)["complaints"]
    assert (found["line"], found["column"]) == (5, 5)
    assert found["file"].endswith("mine.yaml")
    assert found["hint"]


def test_an_error_is_there_for_machines_too(rollback: Rollback, place: Place) -> None:
    ran = rollback("plan", place.playbook(HEAD + A + A), "--environment", place.environment(), "--json")
    assert ran.status == 2
    error = json.loads(ran.out)["error"]
    assert (error["code"], error["exit_status"]) == ("playbook.invalid", 2)
    assert error["hint"]
    (found,) = error["complaints"]
    assert (found["line"], found["column"]) == (5, 5)
    assert "error: playbook.invalid: " in ran.err


@pytest.mark.parametrize(
    "args",
    [
        ("status", "r-20260101-0000-0000", "--json"),
        ("show", "nowhere.json", "--format", "json"),
        ("show", "nowhere.json", "--format=json"),
        ("plan", "--json"),
        ("apply", "--json", "--no-such-option"),
    ],
)
def test_whoever_asked_for_json_gets_json(rollback: Rollback, args: tuple[str, ...]) -> None:
    ran = rollback(*args)
    assert ran.status == 2
    error = json.loads(ran.out)["error"]
    assert error["reason"]
    assert error["hint"]


def test_every_missing_variable_is_named_at_once(
    rollback: Rollback, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPERATOR_TOKEN", "COSMOS_KEY"):
        monkeypatch.delenv(name, raising=False)
    said = bad(rollback, place, ("plan", "halt-only", "--environment", place.environment()))
    assert "error: secret.missing: " in said
    hint = said.partition("hint: ")[2]
    assert "OPERATOR_TOKEN" in hint
    assert "COSMOS_KEY" in hint
    assert "what needs it was not sent" in said


def test_a_missing_environment_names_its_variable(rollback: Rollback) -> None:
    assert "or set ROLLBACK_ENVIRONMENT" in rollback("plan", "halt-only").err


def test_a_near_miss_of_a_playbook_or_a_scenario_is_answered(rollback: Rollback) -> None:
    assert "did you mean full-rollback? " in rollback("validate", "full-rolback").err
    assert "did you mean clean? " in rollback("rehearse", "--scenario", "claen").err


@pytest.mark.parametrize("verb", ["apply", "show", "approve", "diff"])
def test_a_playbook_in_place_of_a_plan_is_told_from_one(
    rollback: Rollback, tmp_path: Path, verb: str
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("playbook: mine\n")
    for given in ("full-rollback", str(mine)):
        more = {"approve": ("--key", "k"), "diff": (given,)}.get(verb, ())
        ran = rollback(verb, given, *more)
        assert ran.status == 2
        assert ran.err.startswith("error: plan.is-a-playbook: ")
        assert f"`rollback plan {given} --environment ENV --out plan.json`" in ran.err


def test_what_is_missing_is_named_once(rollback: Rollback, place: Place) -> None:
    file = place.put(
        "environment.yaml", "environment: production\nhalt_authority: {surface: backend}\n"
    )
    said = bad(rollback, place, ("plan", "halt-only", "--environment", file))
    assert "`surfaces` is missing; expected" in said
    assert "is missing at halt_authority; expected" in said
