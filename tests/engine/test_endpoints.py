"""One cluster, several ways to it: the state was written through another endpoint, with credentials that are gone."""

import json
import re
import shlex
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from sandbox.layout import ROOT
from tests.engine.engine import FAILS, Engine
from tests.engine.prepared import started


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A stack whose last run had another endpoint, which is closed, and a token that is not valid any more."""
    with started("applied", tmp_path_factory.mktemp("endpoints"), keeps_token=False) as engine:
        yield engine


@pytest.fixture
def stale(moved: Engine) -> Iterator[Engine]:
    """The same, and the same state again after the test."""
    export = moved.pulumi("stack", "export").stdout
    yield moved
    moved.pulumi("stack", "import", stdin=export)


def test_without_todays_kubeconfig_a_refresh_cannot_work(stale: Engine) -> None:
    """What the documented option is for: the engine takes the provider of the last run."""
    stale.pulumi("refresh", code=FAILS)


def test_a_refresh_uses_todays_kubeconfig_and_updates_nothing_but_the_provider(stale: Engine) -> None:
    answer = stale.pulumi("up", "--refresh", "--run-program")
    summary = answer.stdout.partition("Resources:")[2]
    assert "1 updated" in summary
    assert "replaced" not in summary
    assert "k3s-provider updated" in answer.stdout


def test_the_comparison_finds_no_drift(stale: Engine) -> None:
    stale.command("drift", "--stack", "sandbox")


def test_an_object_is_imported_with_the_commands_of_the_runbook(stale: Engine) -> None:
    text = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^pulumi (up .*\npulumi import (?:.*\\\n)*.*)$", text, re.MULTILINE)
    state = stale.state()
    for name in ("gitops", "k3s-provider"):
        block = block.replace(f"<URN of {name}>", state[name]["urn"])
    assert "<" not in block
    shown = stale.pulumi("stack", "--show-urns").stdout
    assert all(state[name]["urn"] in shown for name in ("gitops", "k3s-provider"))
    forget(stale, state["gitops-github-token"]["urn"])
    uids = {one["metadata"]["uid"] for one in stale.objects("secrets")}
    first, then = (shlex.split(line, comments=True) for line in block.replace("\\\n", " ").split("\npulumi "))
    refused = stale.pulumi(*first, code=FAILS)
    assert "already exists" in refused.stdout
    assert "unreachable" not in refused.stdout
    stale.pulumi(*then, "--yes")
    assert "gitops-github-token" in stale.state()
    assert set(stale.up().changes.values()) <= {"update"}
    assert uids == {one["metadata"]["uid"] for one in stale.objects("secrets")}


def forget(engine: Engine, urn: str) -> None:
    """Take one resource out of the state, and every reference to it."""
    export = json.loads(engine.pulumi("stack", "export").stdout)
    resources: list[dict[str, Any]] = export["deployment"]["resources"]
    for one in resources:
        one["dependencies"] = [other for other in one.get("dependencies") or [] if other != urn]
        one["propertyDependencies"] = {
            name: [other for other in urns or [] if other != urn]
            for name, urns in (one.get("propertyDependencies") or {}).items()
        }
    export["deployment"]["resources"] = [one for one in resources if one["urn"] != urn]
    engine.pulumi("stack", "import", stdin=json.dumps(export))
    assert urn not in {one["urn"] for one in engine.state().values()}


def test_a_destroy_uses_todays_kubeconfig_and_a_plain_up_after_it_adopts_what_was_kept(stale: Engine) -> None:
    stale.pulumi("destroy", "--run-program")
    assert stale.objects("deployments", "daemonsets") == []
    again = stale.launcher("up", "--config-file", str(stale.folder / "Pulumi.sandbox.yaml"))
    assert "adopting what a destroy retained" in again.stderr


def with_new_certificate(engine: Engine) -> dict[str, str | None]:
    """Rotate the API server's client authority, and log in by a certificate of the new one; returns the variables."""
    engine.launcher("down")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(engine.sandbox.client_ca))
    engine.launcher("cluster")
    issued = authority.issue_cert("sandbox.invalid", common_name="system:admin", organization_name="system:masters")
    document = engine.kubeconfig()
    document["users"][0]["user"] = {
        "client-certificate-data": b64encode(issued.cert_chain_pems[0].bytes()).decode(),
        "client-key-data": b64encode(issued.private_key_pem.bytes()).decode(),
    }
    path = engine.folder / "by-certificate"
    path.write_text(json.dumps(document), encoding="utf-8")
    return {"KUBECONFIG": str(path)}


def test_after_a_rotated_client_certificate_every_documented_command_uses_the_new_one(bare: Engine) -> None:
    """As ``k3s certificate rotate-ca`` leaves it: a new client certificate, and the one in the state is refused."""
    bare.pulumi("up", variables=with_new_certificate(bare))
    rotated = with_new_certificate(bare)
    refused = bare.pulumi("refresh", code=FAILS, variables=rotated)
    assert "server has asked for the client to provide credentials" in refused.stdout + refused.stderr
    for command in (
        ("refresh", "--run-program"),
        ("preview", "--refresh", "--run-program", "--expect-no-changes"),
        ("up", "--refresh", "--run-program"),
    ):
        answer = bare.pulumi(*command, variables=rotated)
        assert "replaced" not in answer.stdout.partition("Resources:")[2]
    for command in (("preflight",), ("drift", "--stack", "sandbox"), ("leftovers",)):
        bare.command(*command, KUBECONFIG=str(rotated["KUBECONFIG"]))
    rotated = with_new_certificate(bare)
    bare.pulumi("destroy", "--run-program", variables=rotated)
