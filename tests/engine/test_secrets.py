"""Secrets never show: a canary in every one of them, and then a search wherever one could have leaked to."""

import base64
import contextlib
import json
import os
import re
import tempfile
import threading
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from oceanid_cluster.components.settings import all_keys
from sandbox import cluster
from tests.engine.engine import Engine
from tests.samples import AGE_KEY, KNOWN_HOSTS, NODE_TUNNEL, TUNNEL, connector_token, ssh_key

# Characters that base64 and URL encoding change, and a length that no encoding hides.
MARK = "cAnary7f3a+9/x"


def canary(name: str) -> str:
    """A value for a secret that is found again in any of its forms."""
    return f"{MARK}-{re.sub(r'[^a-z]', '', name.lower())}-{MARK}"


def tunnel_secret(name: str) -> str:
    return base64.b64encode(canary(name).encode()).decode()


PASSWORD = quote(canary("postgres"), safe="")
CANARIES = {
    "github_token": canary("github"),
    "flux.ssh_private_key": ssh_key(canary("ssh")),
    "flux.known_hosts": f"# {canary('known hosts')}\n{KNOWN_HOSTS}",
    "flux.sops_age_key": AGE_KEY,
    "flux.webhook_token": canary("webhook"),
    "flux.alert_address": f"https://hooks.example.org/{quote(canary('alert'), safe='')}",
    "pulumi_access_token": canary("pulumi"),
    "cloudflare_tunnel_token": connector_token(TUNNEL, secret=tunnel_secret("tunnel")),
    "cloudflare_node_tunnel_token": connector_token(NODE_TUNNEL, secret=tunnel_secret("node tunnel")),
    "postgres_url": f"postgres://user:{PASSWORD}@db.example.org/labels",
    "labelStudioAdminPassword": canary("admin"),
    "labelStudioSecretKey": canary("secret key"),
    "aws.labelStudio.accessKeyId": canary("aws id"),
    "aws.labelStudio.secretAccessKey": canary("aws key"),
    "hfAccessToken": canary("hugging face"),
    "nerLabels": json.dumps(["O", canary("label")]),
    "cfAccessClientId": canary("access id"),
    "cfAccessClientSecret": canary("access secret"),
    "sentry.dsn": canary("sentry"),
    "ghcrToken": canary("ghcr"),
}
# What some of them need beside them.
_BESIDE = {"ghcrUsername": "somebody", "flux.webhook_hostname": "flux.example.org", "flux.alert_type": "generic"}
# The provider of the first is loaded only where Cloudflare answers (tests/test_program.py looks at what happens to it),
# and the second excludes SSH (tests/components/test_flux.py).
NOT_HERE = {"cloudflare_api_token", "flux.github_app_private_key"}


def configure_secrets(engine: Engine, secrets: Mapping[str, str]) -> None:
    """Set secret keys, and what goes with them."""
    for name, value in _BESIDE.items():
        engine.configure(name, value)
    for name, value in secrets.items():
        engine.configure(name, value, secret=True)


def forms(secret: str) -> set[bytes]:
    """How a secret could look: in clear, URL-encoded, in JSON, and in base64 at each of the three alignments."""
    data = secret.encode()
    found = {data, quote(secret).encode(), quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode()}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + data)
        found.add(encoded[4 if shift else 0 : len(encoded) // 4 * 4 - 4])
    return found


def leaks(where: str, content: bytes, secrets: dict[str, set[bytes]]) -> list[str]:
    """Which secrets show in a content; only their names are said."""
    return [f"{name} in {where}" for name, looks in secrets.items() if any(form in content for form in looks)]


def secrets_of(engine: Engine, canaries: Mapping[str, str]) -> dict[str, set[bytes]]:
    """Every secret by name, in all its forms: the canaries, what is inside of them, and the kubeconfig's credential."""
    found = {name: forms(value) for name, value in canaries.items()}
    found |= {f"{name} (its inner secret)": forms(tunnel_secret(name)) for name in ("tunnel", "node tunnel")}
    found |= {"postgres password": forms(canary("postgres")), "any canary": {MARK.encode()}}
    found["ssh key (its lines)"] = {line.encode() for line in canaries["flux.ssh_private_key"].splitlines()[1:-1]}
    found["kubeconfig token"] = forms(engine.kubeconfig()["users"][0]["user"]["token"])
    return found


@dataclass
class Search:
    """The stack with a canary in every secret, and what every command printed on the way."""

    engine: Engine
    printed: bytes
    secrets: dict[str, set[bytes]]

    def leaks(self, where: str, content: bytes) -> list[str]:
        """Which secrets show in a content."""
        return leaks(where, content, self.secrets)


@contextmanager
def command_lines(engine: Engine) -> Generator[set[bytes]]:
    """Collects the command lines of the sandbox's processes meanwhile."""
    seen: set[bytes] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            for pid in cluster.processes(engine.sandbox):
                with contextlib.suppress(OSError):  # it may be gone
                    seen.add(Path(f"/proc/{pid}/cmdline").read_bytes())

    with ThreadPoolExecutor(1) as pool:
        watcher = pool.submit(watch)
        yield seen
        done.set()
        watcher.result()


@pytest.fixture(scope="module")
def search(engine: Engine) -> Iterator[Search]:
    engine.reset_configuration()
    printed: list[str] = []
    configure_secrets(engine, CANARIES)
    with command_lines(engine) as seen:
        for command in (
            "preview --diff", "up --diff", "refresh --diff", "stack", "stack output --json", "config", "config --json",
            "stack export", "stack history",
        ):  # fmt: skip
            answer = engine.pulumi(*command.split())
            printed += answer.stdout, answer.stderr
    for command in ("health", "graph"):
        answer = engine.command(command, code=range(2))
        printed += answer.stdout, answer.stderr
    assert any(b"pulumi-language-python" in line for line in seen)
    yield Search(engine, b"\0".join(["".join(printed).encode(), *seen]), secrets_of(engine, CANARIES))
    engine.reset_configuration()
    engine.up()


def test_every_secret_key_has_a_canary() -> None:
    assert {row.name for row in all_keys() if row.secret} == CANARIES.keys() | NOT_HERE


def test_the_search_would_find_every_form(search: Search) -> None:
    value = canary("admin")
    for shown in (value, quote(value), f"x{quote(value, safe='')}", json.dumps({"a": value})):
        assert search.leaks("text", shown.encode())
    for before in ("", "x", "xy", "user:"):
        encoded = base64.b64encode(f"{before}{value}:".encode())
        assert leaks("base64", encoded, {"admin": forms(value)}), before


def test_no_command_prints_one_and_no_process_has_one_in_its_arguments(search: Search) -> None:
    assert search.leaks("output", search.printed) == []


def test_no_state_no_backup_and_no_configuration_holds_one(search: Search) -> None:
    files = [path for path in (search.engine.sandbox.home / "state").rglob("*") if path.is_file()]
    for folder in ("backups", "history"):
        assert any(folder in path.parts for path in files)
    files += [search.engine.folder / "Pulumi.sandbox.yaml"]
    assert [leak for path in files for leak in search.leaks(str(path), path.read_bytes())] == []


def test_secrets_are_in_secrets_and_in_no_other_object(search: Search) -> None:
    engine = search.engine
    kinds = set(engine.kubectl("api-resources", "--verbs=list", "-o", "name").split()) - {"secrets"}
    assert {"configmaps", "events", "pods", "deployments.apps", "nodes"} < kinds
    found = [leak for kind in sorted(kinds) for leak in search.leaks(kind, json.dumps(engine.objects(kind)).encode())]
    assert found == []
    stored = engine.objects("secrets")
    assert search.leaks("metadata of Secrets", json.dumps([one["metadata"] for one in stored]).encode()) == []
    assert [one for one in stored if one["type"].startswith("helm.sh/")]
    # Gzipped and twice in base64: helm itself must say what is in it.
    values = engine.helm("get", "all", "pulumi-kubernetes-operator", "-n", "pulumi-system")
    assert search.leaks("Helm release", values.encode()) == []
    everything = json.dumps([one.get("data") for one in stored]).encode()
    hidden = {name for name in CANARIES if not leaks("Secrets", everything, {name: forms(CANARIES[name])})}
    assert hidden == {"postgres_url", "nerLabels"}  # taken apart, and written without its blanks


def test_no_temporary_file_holds_one(search: Search, tmp_path: Path) -> None:
    sandbox = search.engine.sandbox
    began = (sandbox.home / "token").stat().st_mtime
    # Where pytest keeps the files of all its runs, which hold what they test.
    tests = next((one for one in tmp_path.resolve().parents if one.name.startswith("pytest-of-")), tmp_path.parents[1])
    found: list[str] = []
    for place in (Path(tempfile.gettempdir()), sandbox.home / "pulumi", sandbox.log, sandbox.temporary):
        for path in (Path(folder, name) for folder, _, names in os.walk(place) for name in names):
            if place in tests.parents and tests in path.parents:
                continue
            if path.parent == sandbox.temporary and path.name.startswith("kubeconfig"):
                continue  # the real provider's own copies (SECURITY.md)
            if path.name.startswith(Path(__file__).stem):
                continue  # this very test, in another checkout of the repository
            with contextlib.suppress(FileNotFoundError):  # somebody else's, and gone again
                if path.is_file() and path.stat().st_mtime >= began and path.owner() == Path.home().owner():
                    found += search.leaks(str(path), path.read_bytes())
    assert found == []
