"""Git drives the sandbox: the real Flux controllers as processes, and a Git server and a registry of our own."""

import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
import yaml

from oceanid_cluster.components.image_automation.settings import ALERT, PROVIDER
from sandbox import cluster, engine, tools
from sandbox.layout import CONFIGURATION, ROOT, Sandbox, SandboxError, checked, in_one_step, say
from sandbox.registry import REGISTRIES

EXAMPLE = ROOT / "examples" / "oceanid"
_REPOSITORY = "oceanid.git"
_FLUX = "--namespace=flux-system"
CONTROLLERS = ("source", "kustomize", "helm", "notification", "image-reflector", "image-automation")
_START_SECONDS, _APPLY_SECONDS = 30, 120


@dataclass(frozen=True)
class Git:
    """The Git server of a sandbox: its files, and its port on loopback."""

    folder: Path
    port: int

    def read(self, name: str) -> str:
        """What is in one of its files."""
        return (self.folder / name).read_text(encoding="utf-8").strip()


def serve(sandbox: Sandbox) -> Git:
    """Start the Git server, and seed its repository the first time. Raises SandboxError."""
    for name, path in tools.get(tools.FLUX).items():
        tools.link(sandbox.bin / name, path)
    owners = {
        "git": "git-server", "registry": "registry", "artifacts": "source-controller",
        "events": "notification-controller", "webhooks": "notification-controller",
    }  # fmt: skip
    ports = cluster.keep_ports(sandbox, _ports_file(sandbox), owners)
    git = Git(sandbox.home / "git", ports["git"])
    _make_repository(git)
    _serve(sandbox, "git-server", git.folder, git.port)
    registry = sandbox.home / "registry"
    if not (registry / "tags.yaml").exists():
        _make_certificate(registry, *REGISTRIES)
        shutil.copy(ROOT / "sandbox" / "tags.yaml", registry)
    _serve(sandbox, "registry", registry, ports["registry"])
    _seed(sandbox, git)
    return git


def _serve(sandbox: Sandbox, role: str, folder: Path, port: int) -> None:
    """Start one of our own servers, ``sandbox/<role>.py``, and wait until it listens. Raises SandboxError."""
    module = f"sandbox.{role.replace('-', '_')}"
    tools.script(sandbox.bin / role, f'cd "{ROOT}" && exec "{sys.executable}" -m {module} "$@"')
    cluster.run(sandbox, role, [str(folder), str(port)])
    if not cluster.wait_for(lambda: not cluster.is_free(port), _START_SECONDS):
        raise SandboxError(f"the {role} does not answer on port {port}; see {sandbox.log}/{role}.log")


def configure(sandbox: Sandbox, git: Git) -> None:
    """Point the sandbox's stack at the Git server. What a person has set stays set, and is named."""
    plain = {
        "gitRepositoryUrl": f"https://127.0.0.1:{git.port}/{_REPOSITORY}",
        "flux.ca_certificate": git.read("ca.crt"),
        "flux.runtime_info": "true",
        "gitRepositoryIntervalSeconds": "5",
        "gitReconciliationSeconds": "60",
    }
    secret = {"github_token": git.read("token"), "flux.sops_age_key": git.read("age.agekey")}
    own = _set_by_a_person(sandbox, (*plain, *secret))
    if own:
        say(f"keeping what you have set: {', '.join(sorted(own))}")
    if "gitRepositoryUrl" not in own:
        say(f"no commit statuses without GitHub: Provider {PROVIDER} and Alert {ALERT} are left out, or deleted")
    pairs = [f"--plaintext={name}={value}" for name, value in plain.items() if name not in own]
    if pairs:
        engine.pulumi(sandbox, "config", "set-all", *pairs)
    for name in secret.keys() - own:
        engine.pulumi(sandbox, "config", "set", "--secret", name, stdin=secret[name])
    written = _configured(sandbox.project / CONFIGURATION)
    entries = {name: _entry(written, name) for name in (*plain, *secret) if name not in own}
    cluster.private(_written_file(sandbox), json.dumps(entries))


def _set_by_a_person(sandbox: Sandbox, names: Iterable[str]) -> set[str]:
    """Those of the keys that are there and are neither as in the work tree nor as we wrote them last."""
    there, first = (_configured(folder / CONFIGURATION) for folder in (sandbox.project, ROOT))
    file = _written_file(sandbox)
    last: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return {name for name in names if _entry(there, name) not in (None, _entry(first, name), last.get(name))}


def _configured(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8")).get("config") or {}


def _entry(configured: Mapping[str, Any], name: str) -> Any:
    """What a stack's file has for a key; None when it has nothing."""
    return configured.get(f"oceanid-cluster:{name}")


def _written_file(sandbox: Sandbox) -> Path:
    return sandbox.home / "gitops-configuration.json"


def _make_certificate(folder: Path, *hosts: str) -> None:
    """A server's certificate (``server.pem``), and the CA that clients trust (``ca.crt``)."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA(organization_name="Oceanid sandbox")
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    certificate = authority.issue_cert(*hosts).private_key_and_cert_chain_pem.bytes().decode()
    cluster.private(folder / "server.pem", certificate)


def _make_repository(git: Git) -> None:
    """Certificate, token, and the bare repository; once."""
    repositories = git.folder / "repositories"
    repositories.mkdir(parents=True, exist_ok=True)
    if not (git.folder / "server.pem").exists():
        cluster.private(git.folder / "token", f"{secrets.token_urlsafe(24)}\n")
        _make_certificate(git.folder, "127.0.0.1", "localhost")
    if not (repositories / _REPOSITORY / "HEAD").exists():
        _git(repositories, "init", "--quiet", "--bare", "--initial-branch=main", _REPOSITORY)


def _seed(sandbox: Sandbox, git: Git) -> None:
    """Clone the repository to ``oceanid``, and make its first commit from the example; what is there stays."""
    folder = sandbox.home / "oceanid"
    if not (git.folder / "age.agekey").exists():
        with in_one_step(git.folder / "age.agekey") as fresh:
            cluster.tool(sandbox, "age-keygen", "-o", str(fresh))
    if not folder.exists():
        scratch = folder.with_name(".oceanid")
        shutil.rmtree(scratch, ignore_errors=True)
        # By path: a push needs no token. Flux reads by HTTPS, with one.
        _git(sandbox.home, "clone", "--quiet", str(git.folder / "repositories" / _REPOSITORY), str(scratch))
        for name, value in (("user.name", "Sandbox"), ("user.email", "sandbox@oceanid.invalid")):
            _git(scratch, "config", name, value)
        scratch.replace(folder)
    if not _git(folder, "rev-list", "--all", "--max-count=1"):
        shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
        _encrypt_secrets(sandbox, git, folder)
        _git(folder, "add", "--all")
        _git(folder, "commit", "--quiet", "--message=The example")
    if not _git(folder, "ls-remote", "--heads", "origin", "main"):
        _git(folder, "push", "--quiet", "--set-upstream", "origin", "HEAD:main")


def _encrypt_secrets(sandbox: Sandbox, git: Git, folder: Path) -> None:
    """Encrypt the example's SOPS secrets again, for the key of this sandbox: nobody has the one in the example."""
    recipient = cluster.tool(sandbox, "age-keygen", "-y", str(git.folder / "age.agekey")).strip()
    rules = folder / ".sops.yaml"
    document = yaml.safe_load(rules.read_text(encoding="utf-8"))
    for rule in document["creation_rules"]:
        rule["age"] = recipient
    rules.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    for path in folder.rglob("*.sops.yaml"):
        if path == rules:
            continue
        secret = yaml.safe_load(path.read_text(encoding="utf-8"))
        del secret["sops"]
        secret["stringData"] = dict.fromkeys(secret["stringData"], "a secret of the sandbox")
        path.write_text(yaml.safe_dump(secret, sort_keys=False), encoding="utf-8")
        cluster.tool(sandbox, "sops", "--config", str(rules), "encrypt", "--in-place", str(path))


def start_controllers(sandbox: Sandbox) -> None:
    """Start the real controllers of Flux that are deployed, each with the feature gates of its Deployment.

    No image runs in KWOK's pods. Flux's CRDs are there.
    """
    ports: dict[str, int] = json.loads(_ports_file(sandbox).read_text(encoding="utf-8"))
    artifacts, events, webhooks = (f"127.0.0.1:{ports[name]}" for name in ("artifacts", "events", "webhooks"))
    registry, tags = sandbox.home / "registry", sandbox.home / "image-tags"
    for folder in (sandbox.home / "artifacts", tags):
        folder.mkdir(exist_ok=True)
    retry, report = "--requeue-dependency=2s", f"--events-addr=http://{events}"
    options = {
        "source": [
            report, retry, f"--storage-path={sandbox.home / 'artifacts'}", f"--storage-addr={artifacts}",
            f"--storage-adv-addr={artifacts}",
        ],
        "kustomize": [report, retry],
        "helm": [report, retry, "--graceful-shutdown-timeout=1s"],
        "notification": [f"--events-addr={events}", f"--receiverAddr={webhooks}"],
        # Its database reserves twice the size of a log file.
        "image-reflector": [report, retry, f"--storage-path={tags}", "--storage-value-log-file-size=1048576"],
        "image-automation": [report],
    }  # fmt: skip
    proxy = f"http://127.0.0.1:{ports['registry']}"
    variables = {
        "image-reflector": {
            "HTTPS_PROXY": proxy, "NO_PROXY": "127.0.0.1", "SSL_CERT_FILE": str(registry / "ca.crt"),
        },
    }  # fmt: skip
    found = json.loads(cluster.kubectl(sandbox, "get", "deployments", _FLUX, "-o", "json"))["items"]
    deployed = {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]["containers"][0].get("args", []) for one in found
    }
    common = ["--enable-leader-election=false", "--watch-all-namespaces", "--metrics-addr=0", "--health-addr=0"]
    for name in CONTROLLERS:
        role = f"{name}-controller"
        if role in deployed:
            gates = [argument for argument in deployed[role] if argument.startswith("--feature-gates")]
            own = {"RUNTIME_NAMESPACE": "flux-system", **variables.get(name, {})}
            cluster.run(sandbox, role, [*common, *options[name], *gates], own)


def wait(sandbox: Sandbox) -> None:
    """Wait until Flux has applied what is in Git, and read the registry. Raises SandboxError with what it says."""
    say("waiting for Flux to apply what is in Git")
    images = cluster.kubectl(sandbox, "get", "imagerepository,imagepolicy,imageupdateautomation", _FLUX, "-o", "name")
    names = ["gitrepository/flux-system", "kustomization/flux-system", *images.split()]
    cluster.kubectl(sandbox, "wait", *names, _FLUX, "--for=condition=Ready", f"--timeout={_APPLY_SECONDS}s")


def _ports_file(sandbox: Sandbox) -> Path:
    return sandbox.home / "gitops-ports.json"


def _git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    return checked(["git", *arguments], folder, environment)
