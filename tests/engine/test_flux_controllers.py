"""The six controllers of Flux, real ones: what they report, what a webhook starts, and which images they propose."""

import json
import queue
import threading
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from oceanid_cluster.components.image_automation.settings import POLICIES, UPDATES, ImageAutomationSettings
from oceanid_cluster.config.schema import keys_of
from sandbox import cluster
from sandbox.gitops import CONTROLLERS
from tests.engine.gitops import FLUX, ONE, ROOT_FILE, GitOps, config_map, with_resource

Event = dict[str, Any]
BRANCH = keys_of(ImageAutomationSettings)["push_branch"].default or ""
CLOUDFLARED = POLICIES["cloudflared"][0]
# Of sandbox/tags.yaml: neither a branch, nor a build of one architecture, nor a test, nor a release out of range.
NEWEST = {"cloudflared": "2026.10.6", "cert-manager": "v1.18.10", "label-studio": "1.23.10"}


class Listener:
    """Takes what Flux posts to it (a Provider of type generic), on loopback."""

    def __init__(self) -> None:
        events: queue.Queue[Event] = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                events.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

        self._events = events
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/canary-of-the-listener"

    def event(self, kind: str, severity: str, is_it: Callable[[Event], bool] = lambda _: True) -> Event:
        """The next event of this kind and severity that is it; others are skipped."""
        while True:
            event = self._events.get(timeout=60)
            if (event["involvedObject"]["kind"], event["severity"]) == (kind, severity) and is_it(event):
                return event


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Somebody who listens to Flux."""
    listener = Listener()
    yield listener
    listener.server.shutdown()
    listener.server.server_close()


def test_all_six_controllers_run_and_every_row_of_health_is_green_with_image_automation_on(flux: GitOps) -> None:
    assert {f"{name}-controller" for name in CONTROLLERS} <= set(cluster.processes(flux.sandbox).values())
    document = json.loads(flux.command("health", "--json", "--wait", "60").stdout)
    assert {row["state"] for row in document["rows"]} == {"ok"}
    rows = " ".join(json.dumps(row) for row in document["rows"]).lower()
    assert all(f"{kind}/" in rows for kind in ("imagerepository", "imagepolicy", "imageupdateautomation"))
    picked = {
        one["metadata"]["name"]: one["status"]["latestRef"]["tag"]
        for one in flux.objects("imagepolicies.image.toolkit.fluxcd.io")
    }
    assert picked == NEWEST


def test_failures_and_recoveries_are_reported_and_a_webhook_starts_a_read(flux: GitOps, listener: Listener) -> None:
    flux.configure("flux.alert_type", "generic")
    flux.configure("flux.alert_address", listener.address, secret=True)
    flux.configure("flux.webhook_token", "canary-of-the-webhook", secret=True)
    flux.configure("flux.webhook_hostname", "flux.example.org")
    flux.up()
    assert flux.command("health", "--wait", "60").returncode == 0

    typo = {"apiVersion": "apps/v1", "kind": "Deploymint", "metadata": {"name": "typo", "namespace": "web"}}
    broken = flux.commit({ONE: typo, ROOT_FILE: with_resource(flux, "one.yaml")})
    failure = listener.event("Kustomization", "error")
    assert "Deploymint" in failure["message"]
    assert broken in failure["metadata"]["revision"]
    assert failure["metadata"]["cluster"] == "oceanid-sandbox"
    good = flux.commit({ONE: config_map("one", "good")})
    listener.event("Kustomization", "info", lambda event: good in event.get("metadata", {}).get("revision", ""))

    token = flux.sandbox.home / "git" / "token"
    right = token.read_text(encoding="utf-8")
    token.write_text("another one", encoding="utf-8")
    flux.reconcile("gitrepository")
    assert "authentication required" in listener.event("GitRepository", "error")["message"]
    token.write_text(right, encoding="utf-8")
    listener.event("GitRepository", "info")

    def handled() -> str:
        return flux.kubectl(
            *FLUX, "get", "gitrepository", "flux-system", "-o", "jsonpath={.status.lastHandledReconcileAt}"
        )

    before = handled()
    path = flux.kubectl(*FLUX, "get", "receiver", "flux-system", "-o", "jsonpath={.status.webhookPath}")
    port = json.loads((flux.sandbox.home / "gitops-ports.json").read_text(encoding="utf-8"))["webhooks"]
    call = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=b"{}", method="POST")
    with urllib.request.urlopen(call, timeout=30) as answer:
        assert answer.status == 200
    assert cluster.wait_for(lambda: handled() != before, 60)
    log = (flux.sandbox.log / "notification-controller.log").read_text(encoding="utf-8")
    assert "canary-of-the" not in log


@contextmanager
def registry_tags(flux: GitOps) -> Generator[Callable[[dict[str, list[str]]], None]]:
    """Gives images other tags; at the end the registry holds again what it held."""
    file = flux.sandbox.home / "registry" / "tags.yaml"
    before = file.read_text(encoding="utf-8")

    def write(tags: dict[str, list[str]]) -> None:
        file.write_text(yaml.safe_dump({**yaml.safe_load(before), **tags}), encoding="utf-8")
        scan(flux)

    try:
        yield write
    finally:
        file.write_text(before, encoding="utf-8")
        scan(flux)


def scan(flux: GitOps) -> None:
    """Have the image controllers look at the registry now."""
    for name in POLICIES:
        flux.reconcile("imagerepository", name)


def test_a_newer_tag_becomes_a_commit_on_a_branch_of_its_own(flux: GitOps) -> None:
    def proposed(tag: str) -> None:
        flux.wait("imagepolicy", "cloudflared", f"jsonpath={{.status.latestRef.tag}}={tag}")
        flux.reconcile("imageupdateautomation", UPDATES)
        flux.wait("imageupdateautomation", UPDATES, "condition=Ready")

        def pushed() -> bool:
            found = flux.git("ls-remote", "--heads", "origin", BRANCH)
            return bool(found) and f"{CLOUDFLARED}:{tag}" in on_branch()

        def on_branch() -> str:
            flux.git("fetch", "--quiet", "origin", f"+{BRANCH}:refs/remotes/origin/{BRANCH}")
            return flux.git("show", f"origin/{BRANCH}:{ONE}")

        assert cluster.wait_for(pushed, 60), flux.kubectl(*FLUX, "get", "imageupdateautomation", UPDATES, "-o", "yaml")

    line = f'{CLOUDFLARED}:2026.9.1 # {{"$imagepolicy": "flux-system:cloudflared"}}'
    marked = f"""apiVersion: v1
kind: ConfigMap
metadata:
  name: one
  namespace: web
data:
  ours: {line}
  theirs: {CLOUDFLARED}:2026.9.1
"""
    commit = flux.commit({ONE: marked, ROOT_FILE: with_resource(flux, "one.yaml")})
    flux.applied(commit)
    tags: list[str] = yaml.safe_load((flux.sandbox.home / "registry/tags.yaml").read_text())[CLOUDFLARED]
    try:
        proposed("2026.10.6")
        with registry_tags(flux) as write:
            write({CLOUDFLARED: [*tags, "2026.12.1", "2026.12.2-amd64", "2027.1.0-rc1"]})
            proposed("2026.12.1")
            # Branches, builds and tests alone are not releases.
            write({POLICIES["cert-manager"][0]: ["main", "canary", "v1.99.0-alpha.1", "1517-4cb1c7b", "v2.0.0"]})
            flux.wait("imagepolicy", "cert-manager", "condition=Ready=False")
        # As it was fetched: with the tags of before, another commit follows.
        said = flux.git("log", "-1", "--format=%an <%ae>%n%B", f"origin/{BRANCH}")
        assert said.splitlines()[0] == "Flux Bot <flux@boathou.se>"
        assert said.splitlines()[1] == "chore(images): update images"
        assert said.splitlines()[-1] == f"- {CLOUDFLARED}:2026.10.6 -> {CLOUDFLARED}:2026.12.1"
        changed = flux.git("diff", "--unified=0", "main", f"origin/{BRANCH}").splitlines()
        assert [text for text in changed if text[0] in "+-" and text[:3] not in ("+++", "---")] == [
            f"-  ours: {line}", f"+  ours: {line.replace('2026.9.1', '2026.12.1')}",
        ]  # fmt: skip
        assert flux.git("ls-remote", "origin", "main").split()[0] == commit
        for name, tag in NEWEST.items():
            flux.wait("imagepolicy", name, f"jsonpath={{.status.latestRef.tag}}={tag}")
        proposed("2026.10.6")
        flux.git("revert", "--no-edit", "HEAD")
        flux.applied(flux.push())
    finally:
        if flux.git("ls-remote", "--heads", "origin", BRANCH):
            flux.git("push", "--quiet", "origin", "--delete", BRANCH)
    assert flux.command("health", "--wait", "60").returncode == 0


def test_a_name_without_a_value_is_replaced_by_nothing_as_in_production(flux: GitOps) -> None:
    """By the feature gate that the Deployment carries, which the sandbox's process gets, too."""
    flux.applied(flux.commit({ONE: config_map("one", "x${NOBODY_KNOWS}y"), ROOT_FILE: with_resource(flux, "one.yaml")}))
    assert flux.kubectl("-n", "web", "get", "configmap", "one", "-o", "jsonpath={.data.key}") == "xy"
