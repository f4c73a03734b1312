"""What operators and accidents do to one cluster, step by step, and what must hold after each step."""

import base64
import json
import os
import random
import shutil
import signal
import subprocess

from oceanid_cluster.components.settings import CHAIN
from sandbox import cluster
from tests.engine.engine import Answer, Engine, flux_reports
from tests.engine.test_secrets import MARK, canary, forms, leaks

FLAGS = {
    "enableNodeTunnels": "NodeTunnels",
    "enableImageAutomation": "ImageAutomation",
    "enableLabelStudio": "LabelStudio",
    "enableTritonAdapter": "TritonAdapter",
}
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
VICTIMS = {"engine": "bin/pulumi", "provider": "pulumi-resource-kubernetes"}
_KNOWN_RELEASE = "cannot re-use a name that is still in use"
_ADOPTABLE = ("already exists", _KNOWN_RELEASE)
_CREDENTIALS = ("-n", "apps", "get", "secret", "labelstudio-app-credentials", "--ignore-not-found", "-o", "json")


class History:
    """One cluster and its stack, from the first run on. Every step ends with the documented command and ``check``."""

    def __init__(self, engine: Engine) -> None:
        """``engine`` has a cluster, bare or with the program applied."""
        self.engine = engine
        self.on = set(FLAGS)
        self.printed: list[str] = []
        self.uids: dict[str, str] = {}
        self.generated: dict[str, str] = {}
        for name in ROTATED:
            engine.configure(name, canary(name), secret=True)
        self.deploy()
        self.check()

    def run(self, *arguments: str, succeeds: bool = True) -> Answer:
        """Run ``pulumi``; what it prints is searched for secrets later."""
        answer = self.engine.pulumi(*arguments)
        self.printed.append(answer.stdout + answer.stderr)
        assert not succeeds or answer.returncode == 0, answer.stdout + answer.stderr
        return answer

    def deploy(self) -> None:
        """The documented command; what exists already is adopted, as the runbook says."""
        command = ("up", "--refresh", "--run-program", "--yes", "--skip-preview")
        answer = self.run(*command, succeeds=False)
        if answer.returncode == 0:
            return
        self.engine.configure("adoptExisting", "true")
        while answer.returncode:
            reasons = [words for words in _ADOPTABLE if words in answer.stdout]
            assert reasons, answer.stdout
            if reasons == [_KNOWN_RELEASE]:
                for namespace in {facts.namespace for facts in CHAIN if facts.releases}:
                    self.engine.kubectl("-n", namespace, "delete", "secret", "-l", "owner=helm")
            answer = self.run(*command, succeeds=False)
        self.engine.configure("adoptExisting", None)
        self.run(*command)

    def check(self) -> None:
        """What must hold after every step."""
        assert self.engine.planned() == {}
        live = {key: uid for key, uid in self._retained().items() if key in self.uids}
        assert live == self.uids, "a retained object was deleted or recreated"
        self.uids = self._retained()
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
        if "enableLabelStudio" in self.on:
            assert data
            shown = self.engine.pulumi("stack", "output", "labelStudioAdminPassword", "--show-secrets").stdout.strip()
            assert base64.b64decode(data["admin-password"]).decode() == shown

    def _check_health(self) -> None:
        flux_reports(self.engine)
        answer = self.engine.command("health", "--wait", "60", "--json")
        document = json.loads(answer.stdout)
        assert document["passed"], answer.stdout
        components = {row["area"] for row in document["rows"]}
        wrong = {FLAGS[flag] for flag in FLAGS if (FLAGS[flag] in components) != (flag in self.on)}
        assert not wrong, components
        assert "the stack is still up" in self.engine.command("leftovers").stdout

    def _control_plane(self, verb: str) -> None:
        assert self.engine.launcher(verb).returncode == 0

    # Steps.

    def set_key(self, key: str) -> None:
        """Set a key to another value."""
        self.engine.configure(key, KEYS[key])
        self.deploy()

    def remove_key(self, key: str) -> None:
        """Go back to a key's default."""
        self.engine.configure(key, None)
        self.deploy()

    def turn(self, flag: str) -> None:
        """Turn a component off, or on again."""
        if flag in self.on:
            self.engine.configure(flag, "false")
        else:
            self.engine.configure(flag, None)
        self.on ^= {flag}
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
        run = subprocess.Popen(
            [self.engine.sandbox.bin / "pulumi", "up", "--yes", "--skip-preview", "--non-interactive"],
            cwd=self.engine.folder, env=self.engine.environment(checkpoints=True), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        for line in run.stdout or ():
            self.printed.append(line)
            if "updating (" in line:
                break
        for pid in processes_of(self.engine, VICTIMS[victim]):
            os.kill(pid, signal.SIGKILL)
        self.printed.append(run.communicate()[0])
        if victim == "engine":
            for pid, role in cluster.processes(self.engine.sandbox).items():
                if role == "engine":
                    os.kill(pid, signal.SIGKILL)
            self.run("cancel", "--yes")
        self.run("refresh", "--run-program", "--yes", "--skip-preview", "--clear-pending-creates")
        self.deploy()

    def restart(self) -> None:
        """Stop the control plane and start it again."""
        self._control_plane("down")
        self._control_plane("cluster")
        self.deploy()

    def restore(self) -> None:
        """Restore the cluster from a snapshot that is older than the state: of before a component went, or came."""
        etcd = self.engine.sandbox.home / "etcd"
        snapshot = etcd.with_name("snapshot")
        self._control_plane("down")
        shutil.copytree(etcd, snapshot)
        self._control_plane("cluster")
        self.engine.configure("labelStudioHostname", KEYS["labelStudioHostname"])
        self.turn("enableImageAutomation")
        self._control_plane("down")
        shutil.rmtree(etcd)
        snapshot.rename(etcd)
        self._control_plane("cluster")
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
        self._control_plane("down")
        home = self.engine.sandbox.home
        for name in ("etcd", "pki"):
            shutil.rmtree(home / name)
        for name in ("ports.json", "token"):
            (home / name).unlink()
        self._control_plane("cluster")
        self.uids = {}
        self.deploy()

    def destroy(self) -> None:
        """Destroy everything, and come back."""
        self.run("destroy", "--run-program", "--yes", "--skip-preview")
        stuck = [one for one in self.engine.objects("namespaces") if "deletionTimestamp" in one["metadata"]]
        assert stuck == []
        self.deploy()


def processes_of(engine: Engine, word: str) -> list[int]:
    """Processes of a run whose command line has the word."""
    found: list[int] = []
    for pid, role in cluster.processes(engine.sandbox).items():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as line:  # noqa: PTH123 - it may be gone
                if role == "engine" and word.encode() in line.read():
                    found.append(pid)
        except OSError:
            continue
    return found
