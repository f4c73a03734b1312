"""What operators and accidents do to one cluster, step by step, and what must hold after each step."""

import base64
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
from pathlib import Path

from oceanid_cluster.components.settings import CHAIN
from sandbox import cluster
from tests.engine.engine import ANY, UNATTENDED, Answer, Engine, flux_reports
from tests.engine.test_secrets import MARK, canary, forms, leaks

COMPONENTS = ("NodeTunnels", "ImageAutomation", "LabelStudio", "TritonAdapter")  # that can be turned off
KEYS = {
    "cloudflareTunnelReplicas": "3",
    "gitRepositoryIntervalSeconds": "90",
    "exposeKubelet": "true",
    "adapterImageTag": "1.2.3",
    "labelStudioHostname": "other.boathou.se",
    "metricsPort": "2100",
}
ROTATED = ("github_token", "hfAccessToken", "pulumi_access_token", "sentry.dsn")
OBJECTS = (
    ("cloudflared", "deployment/cloudflared"),
    ("cloudflared", "configmap/cloudflared-config"),
    ("flux-system", "secret/github-token"),
    ("flux-system", "deployment/source-controller"),
    ("apps", "secret/labelstudio-app-credentials"),
    ("apps", "service/ls-triton-adapter"),
    ("node-tunnels", "daemonset/cloudflared-tunnel"),
)
EDITS = (
    ("cloudflared", "deployment/cloudflared", '{"spec": {"replicas": 0}}'),
    ("cloudflared", "configmap/cloudflared-config", '{"data": {"config.yaml": "edited"}}'),
    ("apps", "secret/labelstudio-app-credentials", '{"data": {"admin-password": "ZWRpdGVk"}}'),
    ("apps", "deployment/label-studio", '{"spec": {"template": {"spec": {"priorityClassName": "other"}}}}'),
)
# Whose processes are killed, by a word of their command lines: with the engine all that it started, as with a machine.
VICTIMS = {"engine": "", "provider": "pulumi-resource-kubernetes"}
_KNOWN_RELEASE = "cannot re-use a name that is still in use"
_ADOPTABLE = ("already exists", _KNOWN_RELEASE)
_CREDENTIALS = ("-n", "apps", "get", "secret", "labelstudio-app-credentials", "--ignore-not-found", "-o", "json")


class History:
    """One cluster and its stack, from the first run on. Every step ends with the documented command and ``check``."""

    def __init__(self, engine: Engine) -> None:
        """``engine`` has a cluster, bare or with the program applied."""
        self.engine = engine
        self.on = set(COMPONENTS)
        self.printed: list[str] = []
        self.uids: dict[str, str] = {}
        self.generated: dict[str, str] = {}
        for name in ROTATED:
            engine.configure(name, canary(name), secret=True)
        self.deploy()
        self.check()

    def run(self, *arguments: str, code: int | range = 0) -> Answer:
        """Run ``pulumi``; what it prints is searched for secrets later."""
        answer = self.engine.pulumi(*arguments, code=code)
        self.printed.append(answer.stdout + answer.stderr)
        return answer

    def deploy(self) -> None:
        """The documented command; what exists already is adopted, as the runbook says."""
        command = ("up", "--refresh", "--run-program")
        answer = self.run(*command, code=ANY)
        if answer.returncode == 0:
            return
        self.engine.configure("adoptExisting", "true")
        while answer.returncode:
            reasons = [words for words in _ADOPTABLE if words in answer.stdout]
            assert reasons, answer.stdout
            if reasons == [_KNOWN_RELEASE]:
                for namespace in {facts.namespace for facts in CHAIN if facts.releases}:
                    self.engine.kubectl("-n", namespace, "delete", "secret", "-l", "owner=helm")
            answer = self.run(*command, code=ANY)
        self.engine.configure("adoptExisting", None)
        self.run(*command)

    def check(self) -> None:
        """What must hold after every step."""
        assert self.engine.planned() == {}
        live = self._retained()
        assert self.uids.items() <= live.items(), "a retained object was deleted or recreated"
        self.uids = live
        self._check_generated()
        self._check_health()
        text = "\n".join(self.printed).encode()
        secrets = {"a canary": {MARK.encode()}} | {name: forms(value) for name, value in self.generated.items()}
        assert leaks("output", text, secrets) == []

    def _retained(self) -> dict[str, str]:
        """The uid of everything that must never be recreated."""
        ours = json.loads(self.engine.kubectl("get", "ns", "-l", "oceanid.cluster/managed-by=pulumi", "-o", "json"))
        found = [*ours["items"], *self.engine.objects("persistentvolumeclaims", "customresourcedefinitions")]
        return {f"{one['kind']} {one['metadata']['name']}": one["metadata"]["uid"] for one in found}

    def _check_generated(self) -> None:
        text = self.engine.kubectl(*_CREDENTIALS)
        data: dict[str, str] = json.loads(text)["data"] if text else {}
        if self.generated and data:
            assert data == self.generated, "a generated secret is not the one from before"
        self.generated = self.generated or data
        if "LabelStudio" in self.on:
            assert data
            shown = self.engine.pulumi("stack", "output", "labelStudioAdminPassword", "--show-secrets").stdout.strip()
            assert base64.b64decode(data["admin-password"]).decode() == shown

    def _check_health(self) -> None:
        flux_reports(self.engine)
        document = json.loads(self.engine.command("health", "--wait", "60", "--json").stdout)
        assert {row["area"] for row in document["rows"]}.intersection(COMPONENTS) == self.on
        assert "the stack is still up" in self.engine.command("leftovers").stdout

    # Steps.

    def set_key(self, key: str, value: str | None) -> None:
        """Set a key, or go back to its default."""
        self.engine.configure(key, value)
        self.deploy()

    def turn(self, component: str) -> None:
        """Turn a component off, or on again."""
        self.engine.configure(f"enable{component}", "false" if component in self.on else None)
        self.on ^= {component}
        self.deploy()

    def rotate(self, name: str) -> None:
        """Give a secret another value."""
        self.engine.configure(name, canary(f"{name} {len(self.printed)}"), secret=True)
        self.deploy()

    def delete(self, namespace: str, name: str) -> None:
        """Delete an object by hand."""
        self.engine.kubectl("-n", namespace, "delete", name, "--ignore-not-found")
        self.deploy()

    def edit(self, namespace: str, name: str, patch: str) -> None:
        """Edit an object by hand, if it is there."""
        if self.engine.kubectl("-n", namespace, "get", name, "--ignore-not-found", "-o", "name"):
            self.engine.kubectl("-n", namespace, "patch", name, "--type=merge", "-p", patch)
        self.deploy()

    def kill(self, victim: str, seed: int) -> None:
        """Kill the engine or the provider in the middle of a run that changes something."""
        key = random.Random(seed).choice(sorted(KEYS))
        self.engine.configure(key, KEYS[key])
        self.printed.append(kill_at(self.engine, "updating (", VICTIMS[victim]))
        if victim == "engine":
            self.run("cancel", "--yes")
        self.run("refresh", "--run-program", "--clear-pending-creates")
        self.deploy()

    def restart(self) -> None:
        """Stop the control plane and start it again."""
        self.engine.launcher("down")
        self.engine.launcher("cluster")
        self.deploy()

    def restore(self) -> None:
        """Restore the cluster from a snapshot that is older than the state: of before a component went, or came."""
        etcd = self.engine.sandbox.home / "etcd"
        snapshot = etcd.with_name("snapshot")
        self.engine.launcher("down")
        shutil.copytree(etcd, snapshot)
        self.engine.launcher("cluster")
        self.engine.configure("labelStudioHostname", KEYS["labelStudioHostname"])
        self.turn("ImageAutomation")
        self.engine.launcher("down")
        shutil.rmtree(etcd)
        snapshot.rename(etcd)
        self.engine.launcher("cluster")
        self.deploy()
        host = ("-n", "apps", "get", "deployment", "label-studio", "-o", "yaml")
        assert KEYS["labelStudioHostname"] in self.engine.kubectl(*host)

    def lose_state(self) -> None:
        """Lose the state around a living cluster."""
        self.run("stack", "rm", "--force", "--yes", "--preserve-config")
        self.run("stack", "init", "sandbox", "--no-select")
        self.deploy()

    def lose_cluster(self) -> None:
        """Lose the cluster, with its certificates, its port and its credentials."""
        lose_cluster(self.engine)
        self.uids = {}
        self.deploy()

    def destroy(self) -> None:
        """Destroy everything, and come back."""
        self.run("destroy", "--run-program")
        stuck = [one for one in self.engine.objects("namespaces") if "deletionTimestamp" in one["metadata"]]
        assert stuck == []
        self.deploy()


def lose_cluster(engine: Engine) -> None:
    """Give the stack a new, bare cluster with other certificates, another port and another token."""
    engine.launcher("down")
    home = engine.sandbox.home
    for name in ("etcd", "pki"):
        shutil.rmtree(home / name)
    for name in ("ports.json", "token"):
        (home / name).unlink()
    engine.launcher("cluster")


def kill_at(engine: Engine, place: str, word: str = "") -> str:
    """Start ``pulumi up``, and kill its processes that have the word once it says ``place``; returns its output."""
    run = subprocess.Popen(
        [engine.sandbox.bin / "pulumi", "up", "--non-interactive"], cwd=engine.folder, text=True,
        env={**engine.environment(checkpoints=True), **UNATTENDED}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    printed: list[str] = []
    for line in run.stdout or ():
        printed.append(line)
        if place in line:
            break
    for pid in processes_of(engine, word):
        os.kill(pid, signal.SIGKILL)
    return "".join([*printed, run.communicate()[0]])


def processes_of(engine: Engine, word: str) -> list[int]:
    """Processes of a run whose command line has the word."""
    found: list[int] = []
    for pid, role in cluster.processes(engine.sandbox).items():
        with contextlib.suppress(OSError):  # it may be gone
            if role == "engine" and word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found
