"""Git drives the sandbox: the real Flux controllers as processes, and a Git server of our own."""

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

from sandbox import cluster, engine, tools
from sandbox.layout import CONFIGURATION, ROOT, Sandbox, SandboxError, checked, say

EXAMPLE = ROOT / "examples" / "oceanid"
_REPOSITORY = "oceanid.git"
_ARGUMENTS = ("--namespace=flux-system", "-o", "jsonpath={.spec.template.spec.containers[0].args}")
_START_SECONDS, _APPLY_SECONDS = 30, 120


@dataclass(frozen=True)
class Git:
    """The Git server of a sandbox: its files, and how a client reaches it."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """The repository, as a client clones it."""
        return f"https://127.0.0.1:{self.port}/{_REPOSITORY}"

    @property
    def token(self) -> str:
        """The token that the server takes."""
        return (self.folder / "token").read_text(encoding="utf-8").strip()

    @property
    def ca_certificate(self) -> str:
        """The server's CA, in PEM."""
        return (self.folder / "ca.crt").read_text(encoding="utf-8")

    @property
    def age_key(self) -> str:
        """The key with which the secrets in Git are encrypted."""
        return (self.folder / "age.agekey").read_text(encoding="utf-8")


def serve(sandbox: Sandbox) -> Git:
    """Start the Git server, and seed its repository the first time. Raises SandboxError."""
    for name, path in tools.get(tools.FLUX).items():
        tools.link(sandbox.bin / name, path)
    owners = {"git": "git-server", "artifacts": "source-controller"}
    ports = cluster.keep_ports(sandbox, _ports_file(sandbox), owners)
    git = Git(sandbox.home / "git", ports["git"])
    _make_server_files(git)
    tools.script(sandbox.bin / "git-server", f'cd "{ROOT}" && exec "{sys.executable}" -m sandbox.git_server "$@"')
    cluster.run(sandbox, "git-server", [str(git.folder), str(git.port)])
    if not cluster.wait_for(lambda: not cluster.is_free(git.port), _START_SECONDS):
        raise SandboxError(f"the Git server does not answer on port {git.port}; see {sandbox.log}/git-server.log")
    _seed(sandbox, git)
    return git


def configure(sandbox: Sandbox, git: Git) -> None:
    """Point the sandbox's stack at the Git server. What a person has set stays set, and is named."""
    plain = {
        "gitRepositoryUrl": git.url,
        "flux.ca_certificate": git.ca_certificate,
        "flux.runtime_info": "true",
        "gitRepositoryIntervalSeconds": "5",
        "gitReconciliationSeconds": "60",
        "enableImageAutomation": "false",  # its controllers are not served as Go modules
    }
    secret = {"github_token": git.token, "flux.sops_age_key": git.age_key}
    own = _set_by_a_person(sandbox, (*plain, *secret))
    if own:
        say(f"keeping what you have set: {', '.join(sorted(own))}")
    pairs = [f"--plaintext={name}={value}" for name, value in plain.items() if name not in own]
    if pairs:
        engine.quietly(sandbox, "config", "set-all", *pairs, check=True)
    for name in secret.keys() - own:
        engine.quietly(sandbox, "config", "set", "--secret", name, check=True, stdin=secret[name])
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


def _make_server_files(git: Git) -> None:
    """CA, certificate, token, and the bare repository; once."""
    repositories = git.folder / "repositories"
    repositories.mkdir(parents=True, exist_ok=True)
    if not (git.folder / "server.pem").exists():
        authority = trustme.CA(organization_name="Oceanid sandbox")
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        authority.cert_pem.write_to_path(str(git.folder / "ca.crt"))
        cluster.private(git.folder / "token", f"{secrets.token_urlsafe(24)}\n")
        cluster.private(git.folder / "server.pem", certificate.private_key_and_cert_chain_pem.bytes().decode())
    if not (repositories / _REPOSITORY / "HEAD").exists():
        _git(repositories, "init", "--quiet", "--bare", "--initial-branch=main", _REPOSITORY)


def _seed(sandbox: Sandbox, git: Git) -> None:
    """Clone the repository to ``oceanid``, and make its first commit from the example; what is there stays."""
    folder = sandbox.home / "oceanid"
    if not (git.folder / "age.agekey").exists():
        unfinished = git.folder / ".age.agekey"
        unfinished.unlink(missing_ok=True)
        cluster.tool(sandbox, "age-keygen", "-o", str(unfinished))
        unfinished.replace(git.folder / "age.agekey")
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
    """Start the real source, kustomize and helm controllers: no image runs in KWOK's pods. Flux's CRDs are there."""
    ports: dict[str, int] = json.loads(_ports_file(sandbox).read_text(encoding="utf-8"))
    address, storage = f"127.0.0.1:{ports['artifacts']}", sandbox.home / "artifacts"
    storage.mkdir(exist_ok=True)
    options = {
        "source": [f"--storage-path={storage}", f"--storage-addr={address}", f"--storage-adv-addr={address}"],
        "kustomize": [],
        "helm": ["--graceful-shutdown-timeout=1s"],
    }
    common = ["--enable-leader-election=false", "--watch-all-namespaces", "--metrics-addr=0", "--health-addr=0"]
    for name, own in options.items():
        deployed = json.loads(cluster.kubectl(sandbox, "get", "deployment", f"{name}-controller", *_ARGUMENTS) or "[]")
        gates = [argument for argument in deployed if argument.startswith("--feature-gates")]
        arguments = [*common, "--requeue-dependency=2s", *own, *gates]
        cluster.run(sandbox, f"{name}-controller", arguments, {"RUNTIME_NAMESPACE": "flux-system"})


def wait(sandbox: Sandbox) -> None:
    """Wait until Flux has applied what is in Git. Raises SandboxError with what it says."""
    say("waiting for Flux to apply what is in Git")
    for kind in ("gitrepository", "kustomization"):
        arguments = ["wait", kind, "flux-system", "--namespace=flux-system", "--for=condition=Ready"]
        cluster.kubectl(sandbox, *arguments, f"--timeout={_APPLY_SECONDS}s")


def _ports_file(sandbox: Sandbox) -> Path:
    return sandbox.home / "gitops-ports.json"


def _git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    return checked(["git", *arguments], folder, environment)
