"""The control plane: etcd, the API server, its controllers and KWOK, on loopback, as plain processes."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandbox.layout import MARK, ROLE, ROOT, Sandbox, SandboxError, checked, in_one_step, say

_ISSUER = "https://kubernetes.default.svc.cluster.local"
_SERVICE_RANGE = "10.43.0.0/16"  # K3s's
_START_SECONDS, _STOP_SECONDS = 60, 20
_PORTS = range(10_000, 30_000)  # below NodePorts, and below those that the kernel gives to outgoing connections
_FREE_SECONDS = 2  # a killed process keeps its port until the kernel has taken it apart
# Who is stopped first: nobody may be left talking to what is gone.
_GITOPS = (
    "image-automation-controller", "image-reflector-controller", "helm-controller", "kustomize-controller",
    "source-controller", "notification-controller", "registry", "git-server",
)  # fmt: skip
_CONTROL_PLANE = ("kwok", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd")


def start(sandbox: Sandbox) -> None:
    """Start what is not running, wait until it is ready, and make nodes and storage. Raises SandboxError."""
    # Where one moves, what still runs is stopped: it talks to the old one.
    owners = {"etcd": "etcd", "peer": "etcd", "api": "kube-apiserver"}
    ports = keep_ports(sandbox, sandbox.home / "ports.json", owners, (*_GITOPS, *_CONTROL_PLANE))
    pki, token = sandbox.home / "pki", sandbox.home / "token"
    for folder in (sandbox.log, pki):
        folder.mkdir(parents=True, exist_ok=True)
    if not token.exists():
        private(token, f"{secrets.token_urlsafe(32)},sandbox-admin,sandbox-admin,system:masters\n")
    etcd, api = f"http://127.0.0.1:{ports['etcd']}", f"https://127.0.0.1:{ports['api']}"
    peer = f"http://127.0.0.1:{ports['peer']}"
    children = [run(sandbox, "etcd", [
        f"--data-dir={sandbox.home / 'etcd'}", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync", "--log-level=warn",
    ]), run(sandbox, "kube-apiserver", [
        f"--etcd-servers={etcd}", "--bind-address=127.0.0.1", f"--secure-port={ports['api']}",
        "--advertise-address=192.0.2.1", f"--cert-dir={pki}", f"--token-auth-file={token}",
        "--authorization-mode=RBAC", f"--service-cluster-ip-range={_SERVICE_RANGE}",
        f"--service-account-issuer={_ISSUER}", f"--service-account-key-file={pki / 'apiserver.key'}",
        f"--service-account-signing-key-file={pki / 'apiserver.key'}",
        *([f"--client-ca-file={sandbox.client_ca}"] if sandbox.client_ca.exists() else []),
    ])]  # fmt: skip
    _wait_ready(sandbox, api, pki / "apiserver.crt", [child for child in children if child])
    _write_kubeconfig(sandbox, api, pki / "apiserver.crt", token.read_text(encoding="utf-8").split(",")[0])
    own = [f"--kubeconfig={sandbox.kubeconfig}"]
    run(sandbox, "kube-controller-manager", [
        *own, f"--service-account-private-key-file={pki / 'apiserver.key'}", f"--root-ca-file={pki / 'apiserver.crt'}",
        "--leader-elect=false", "--secure-port=0",
    ])  # fmt: skip
    run(sandbox, "kube-scheduler", [*own, "--leader-elect=false", "--secure-port=0"])
    if "kwok" not in processes(sandbox).values():  # the leases of one that is gone would make its successor wait
        kubectl(sandbox, "delete", "leases", "--all", "--namespace=kube-node-lease")
    run(sandbox, "kwok", [
        *own, "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        f"--config={ROOT / 'sandbox' / 'stages.yaml'}",
        "--node-lease-duration-seconds=40",  # without leases the nodes turn NotReady after 50 s
    ])  # fmt: skip
    kubectl(sandbox, "apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "sandbox" / "cluster.yaml"))
    _recycle_volumes(sandbox)
    kubectl(sandbox, "wait", "--for=condition=Ready", "nodes", "--all", f"--timeout={_START_SECONDS}s")


def stop(sandbox: Sandbox) -> list[str]:
    """Stop every process of this sandbox, and no other; returns their roles."""
    stopped = [name for role in ("engine", *_GITOPS, *_CONTROL_PLANE) for name in stop_role(sandbox, role)]
    return [*stopped, *(name for role in set(processes(sandbox).values()) for name in stop_role(sandbox, role))]


def stop_role(sandbox: Sandbox, role: str) -> list[str]:
    """Stop the processes of one role and wait until they are gone; returns the role once for each."""
    members = frozenset(pid for pid, name in processes(sandbox).items() if name == role)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if wait_for(lambda: members.isdisjoint(processes(sandbox)), _STOP_SECONDS):
            break
    return [role] * len(members)


def is_running(sandbox: Sandbox) -> bool:
    """Whether the whole control plane runs."""
    return set(_CONTROL_PLANE) <= set(processes(sandbox).values())


def processes(sandbox: Sandbox) -> dict[int, str]:
    """The processes of this sandbox: role by process id.

    They carry its mark in their environment. Those that a plain ``pulumi`` started carry none: the plugins of one that
    was killed run on, each called by its path in the sandbox's folder. Its name is then its role.
    """
    home, found = os.fsencode(sandbox.home), dict[int, str]()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            pairs = (one.partition(b"=") for one in (folder / "environ").read_bytes().split(b"\0"))
            variables = {name: value for name, _, value in pairs}
            program = (folder / "cmdline").read_bytes().partition(b"\0")[0]
            state = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state in ("Z", "X"):
            continue
        if variables.get(MARK.encode()) == home:
            found[int(folder.name)] = variables.get(ROLE.encode(), b"?").decode()
        elif MARK.encode() not in variables and program.startswith(home + b"/"):
            found[int(folder.name)] = os.fsdecode(program.rpartition(b"/")[2])
    return found


def kubectl(sandbox: Sandbox, *arguments: str, stdin: str | None = None) -> str:
    """Run kubectl as the sandbox's administrator; returns its output. Raises SandboxError with its last words."""
    return tool(sandbox, "kubectl", *arguments, stdin=stdin)


def tool(sandbox: Sandbox, name: str, *arguments: str, stdin: str | None = None) -> str:
    """Run one of the sandbox's programs; returns its output. Raises SandboxError with its last words."""
    return checked([sandbox.bin / name, *arguments], Path.cwd(), sandbox.process_environment(name), stdin)


def run(
    sandbox: Sandbox, role: str, arguments: list[str], variables: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes] | None:
    """Start the program ``role``, which outlives us, unless it runs already."""
    if role in processes(sandbox).values():
        return None
    environment = {**sandbox.process_environment(role), **(variables or {})}
    with (sandbox.log / f"{role}.log").open("ab") as log:
        return subprocess.Popen(
            [sandbox.bin / role, *arguments], cwd=sandbox.home, env=environment,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def _wait_ready(sandbox: Sandbox, api: str, certificate: Path, children: Sequence[subprocess.Popen[bytes]]) -> None:
    def ready() -> bool:
        if any(child.poll() is not None for child in children):
            logs = "\n  ".join(_last_words(sandbox, role) for role in ("etcd", "kube-apiserver"))
            raise SandboxError(f"the control plane does not start; see {sandbox.log}\n  {logs}")
        try:
            context = ssl.create_default_context(cafile=str(certificate))
            with urllib.request.urlopen(f"{api}/readyz", timeout=5, context=context) as answer:  # noqa: S310 - ours
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    if not wait_for(ready, _START_SECONDS):
        raise SandboxError(
            f"the API server was not ready after {_START_SECONDS} s; see {sandbox.log}/kube-apiserver.log"
        )


def _last_words(sandbox: Sandbox, role: str) -> str:
    log = sandbox.log / f"{role}.log"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return f"{role}: {lines[-1][:400] if lines else 'no output'}"


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true in time. Neither /proc nor a starting server has anything to wait on."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def keep_ports(sandbox: Sandbox, file: Path, owners: Mapping[str, str], clients: Sequence[str] = ()) -> dict[str, int]:
    """Ports by name, as ``file`` has them where nobody else took them; the file is brought up to date.

    ``owners`` gives the role that listens on each port, ``clients`` the roles that are stopped where one moves.
    """
    running = set(processes(sandbox).values())
    known: dict[str, int] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    ports: dict[str, int] = {}
    drawn = iter(lambda: secrets.choice(_PORTS), None)
    for name, owner in owners.items():
        if name in known and (owner in running or wait_for(lambda port=known[name]: is_free(port), _FREE_SECONDS)):
            ports[name] = known[name]
        else:
            ports[name] = next(port for port in drawn if port not in ports.values() and is_free(port))
    if ports != known:
        for role in clients:
            stop_role(sandbox, role)
        private(file, json.dumps(ports))
    return ports


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _write_kubeconfig(sandbox: Sandbox, api: str, certificate: Path, token: str) -> None:
    authority = b64encode(certificate.read_bytes()).decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "sandbox",
        "clusters": [{"name": "sandbox", "cluster": {"server": api, "certificate-authority-data": authority}}],
        "users": [{"name": "sandbox-admin", "user": {"token": token}}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox-admin"}}],
    }
    private(sandbox.kubeconfig, json.dumps(document, indent=2) + "\n")


def private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step."""
    with in_one_step(path) as fresh:
        fresh.touch(0o600, exist_ok=False)
        fresh.write_text(text, encoding="utf-8")


def _recycle_volumes(sandbox: Sandbox) -> None:
    """Free the volumes whose claim is gone: nothing else here would, and a released volume binds nothing."""
    for volume in json.loads(kubectl(sandbox, "get", "persistentvolumes", "-o", "json"))["items"]:
        if volume.get("status", {}).get("phase") == "Released":
            patch = json.dumps({"spec": {"claimRef": None}})
            kubectl(sandbox, "patch", "persistentvolume", volume["metadata"]["name"], "--type=merge", "-p", patch)


def remove(sandbox: Sandbox) -> None:
    """Delete a stopped sandbox. Raises SandboxError."""
    sandbox.check()
    try:
        shutil.rmtree(sandbox.home)
    except OSError as problem:
        sandbox.lock.touch()  # what is left is a sandbox still, for another try
        raise SandboxError(f"{sandbox.home} cannot be removed: {problem}") from None
    say(f"removed {sandbox.home}")
