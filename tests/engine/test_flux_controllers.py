"""The six controllers of Flux, real ones: what they report, what a webhook starts, and which images they propose."""

import json
import queue
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from oceanid_cluster.components.image_automation.settings import POLICIES, UPDATES, ImageAutomationSettings
from oceanid_cluster.config.schema import keys_of
from sandbox import cluster
from sandbox.gitops import CONTROLLERS
from tests.engine.engine import row, served
from tests.engine.gitops import FLUX, ONE, GitOps, config_map

Event = dict[str, Any]
BRANCH = keys_of(ImageAutomationSettings)["push_branch"].default or ""
CLOUDFLARED = POLICIES["cloudflared"][0]
# Of sandbox/tags.yaml: neither a branch, nor a build of one architecture, nor a test, nor a release out of range.
NEWEST = {"cloudflared": "2026.10.6", "cert-manager": "v1.18.10", "label-studio": "1.23.10"}


@dataclass
class Listener:
    """Takes what Flux posts to it (a Provider of type generic), on loopback."""

    address: str
    events: queue.Queue[Event]

    def event(self, kind: str, severity: str, is_it: Callable[[Event], bool] = lambda _: True) -> Event:
        """The next event of this kind and severity that is it; others are skipped."""
        while True:
            event = self.events.get(timeout=60)
            if (event["involvedObject"]["kind"], event["severity"]) == (kind, severity) and is_it(event):
                return event


@pytest.fixture
def listener() -> Iterator[Listener]:
    events: queue.Queue[Event] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            events.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield Listener(f"http://127.0.0.1:{server.server_address[1]}/canary-of-the-listener", events)


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


def test_failures_and_recoveries_are_named_and_reported_and_a_webhook_starts_a_read(
    flux: GitOps, listener: Listener
) -> None:
    flux.configure("flux.alert_type", "generic")
    flux.configure("flux.alert_address", listener.address, secret=True)
    flux.configure("flux.webhook_token", "canary-of-the-webhook", secret=True)
    flux.configure("flux.webhook_hostname", "flux.example.org")
    flux.up()
    flux.command("health", "--wait", "60")
    assert_a_broken_commit_changes_nothing_and_a_good_one_heals(flux, listener)
    assert_a_webhook_starts_a_read(flux)
    assert_a_new_token_heals_without_a_restart(flux, listener)
    log = (flux.sandbox.log / "notification-controller.log").read_text(encoding="utf-8")
    assert "canary-of-the" not in log


def assert_a_broken_commit_changes_nothing_and_a_good_one_heals(flux: GitOps, listener: Listener) -> None:
    application = ("-n", "web", "get", "deployment", "whoami", "-o", "jsonpath={.metadata.uid}")
    before = flux.kubectl(*application)
    typo = {"apiVersion": "apps/v1", "kind": "Deploymint", "metadata": {"name": "typo", "namespace": "web"}}
    broken = flux.declare(typo)
    failure = listener.event("Kustomization", "error")
    assert "Deploymint" in failure["message"]
    assert broken in failure["metadata"]["revision"]
    assert failure["metadata"]["cluster"] == "oceanid-sandbox"
    said = row(flux.command("health", code=1), "kustomization/flux-system")
    assert all(words in said for words in ("failed", "Deploymint", "Flux does not reconcile"))
    assert flux.kubectl(*application) == before
    good = flux.declare(config_map("good"))
    listener.event("Kustomization", "info", lambda event: good in event.get("metadata", {}).get("revision", ""))
    flux.command("health", "--wait", "60")


def assert_a_webhook_starts_a_read(flux: GitOps) -> None:
    path = flux.kubectl(*FLUX, "get", "receiver", "flux-system", "-o", "jsonpath={.status.webhookPath}")
    port = json.loads((flux.sandbox.home / "gitops-ports.json").read_text(encoding="utf-8"))["webhooks"]
    handled = ("get", "gitrepository", "flux-system", "-o", "jsonpath={.status.lastHandledReconcileAt}")
    before = flux.kubectl(*FLUX, *handled)
    call = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=b"{}", method="POST")
    with urllib.request.urlopen(call, timeout=30) as answer:
        assert answer.status == 200
    assert cluster.wait_for(lambda: flux.kubectl(*FLUX, *handled) != before, 60)


def assert_a_new_token_heals_without_a_restart(flux: GitOps, listener: Listener) -> None:
    file = flux.sandbox.home / "git" / "token"
    old, new = file.read_text(encoding="utf-8"), "a-new-token-of-the-sandbox"
    before = cluster.processes(flux.sandbox)
    file.write_text(new, encoding="utf-8")
    try:
        flux.reconcile("gitrepository")
        assert "authentication required" in listener.event("GitRepository", "error")["message"]
        said = row(flux.command("health", code=1), "gitrepository/flux-system")
        assert "authentication required" in said
        assert "github_token" in said
        flux.configure("github_token", new, secret=True)
        flux.up()
        listener.event("GitRepository", "info")
        flux.command("health", "--wait", "60")
        assert cluster.processes(flux.sandbox) == before
    finally:
        file.write_text(old, encoding="utf-8")


@contextmanager
def registry_tags(flux: GitOps) -> Generator[Callable[[dict[str, list[str]]], None]]:
    """Gives images other tags; at the end the registry holds again what it held."""
    file = flux.sandbox.home / "registry" / "tags.yaml"
    before = file.read_text(encoding="utf-8")

    def write(tags: dict[str, list[str]]) -> None:
        file.write_text(yaml.safe_dump({**yaml.safe_load(before), **tags}), encoding="utf-8")
        for name in POLICIES:
            flux.reconcile("imagerepository", name)

    try:
        yield write
    finally:
        write({})


def test_a_newer_tag_becomes_a_commit_on_a_branch_of_its_own(flux: GitOps) -> None:
    def proposed(tag: str) -> None:
        flux.wait("imagepolicy", "cloudflared", f"jsonpath={{.status.latestRef.tag}}={tag}")
        flux.reconcile("imageupdateautomation", UPDATES)
        flux.wait("imageupdateautomation", UPDATES, "condition=Ready")

        def pushed() -> bool:
            if not flux.git("ls-remote", "--heads", "origin", BRANCH):
                return False
            flux.git("fetch", "--quiet", "origin", f"+{BRANCH}:refs/remotes/origin/{BRANCH}")
            return f"{CLOUDFLARED}:{tag}" in flux.git("show", f"origin/{BRANCH}:{ONE}")

        assert cluster.wait_for(pushed, 60), flux.kubectl(*FLUX, "get", "imageupdateautomation", UPDATES, "-o", "yaml")

    line = f'{CLOUDFLARED}:2026.9.1 # {{"$imagepolicy": "flux-system:cloudflared"}}'
    commit = flux.declare(f"""apiVersion: v1
kind: ConfigMap
metadata:
  name: one
  namespace: web
data:
  ours: {line}
  theirs: {CLOUDFLARED}:2026.9.1
""")
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
            assert "no tag fits" in row(flux.command("health", code=1), "imagepolicy/cert-manager")
        # As it was fetched: with the tags of before, another commit follows.
        said = flux.git("log", "-1", "--format=%an <%ae>%n%B", f"origin/{BRANCH}").splitlines()
        assert said[:2] == ["Flux Bot <flux@boathou.se>", "chore(images): update images"]
        assert said[-1] == f"- {CLOUDFLARED}:2026.10.6 -> {CLOUDFLARED}:2026.12.1"
        changed = flux.git("diff", "--unified=0", "main", f"origin/{BRANCH}").splitlines()
        assert [text for text in changed if text[0] in "+-" and text[:3] not in ("+++", "---")] == [
            f"-  ours: {line}", f"+  ours: {line.replace('2026.9.1', '2026.12.1')}",
        ]  # fmt: skip
        assert flux.git("ls-remote", "origin", "main").split()[0] == commit
        for name, tag in NEWEST.items():
            flux.wait("imagepolicy", name, f"jsonpath={{.status.latestRef.tag}}={tag}")
        proposed("2026.10.6")
        flux.revert()
    finally:
        if flux.git("ls-remote", "--heads", "origin", BRANCH):
            flux.git("push", "--quiet", "origin", "--delete", BRANCH)
    flux.command("health", "--wait", "60")


def test_a_name_without_a_value_is_replaced_by_nothing_as_in_production(flux: GitOps) -> None:
    """By the feature gate that the Deployment carries, which the sandbox's process gets, too."""
    flux.applied(flux.declare(config_map("x${NOBODY_KNOWS}y")))
    assert flux.value() == "xy"
