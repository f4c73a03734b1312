"""Every object that the program would make, without a cluster, an account or a secret."""

import base64
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from oceanid_cluster.__main__ import main
from oceanid_cluster.commands import render
from oceanid_cluster.commands.charts import objects_of
from oceanid_cluster.commands.render import Rendered
from oceanid_cluster.components.settings import CHAIN, all_keys
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup.configuration import load
from oceanid_cluster.startup.processes import CommandError
from sandbox import tools
from tests.commands.test_pulumi_cli import LITERALS
from tests.program import Program
from tests.recorded import ROOT, STACK, manifests
from tests.samples import EVERYTHING, NODE_TUNNEL, REQUIRED, TUNNEL, connector_token

Render = Callable[..., dict[str, str]]
_SPELLINGS = {name: row for row in all_keys() for name in row.spellings}
ANOTHER = "00000000-0000-4000-8000-00000000aaaa"
ENCRYPTED = {"secure": "v1:AAAA:BBBB"}


def is_secret(name: str) -> bool:
    return _SPELLINGS[name].secret


@pytest.fixture
def rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Render:
    """The files of a configuration, by path; charts are unavailable, unless a PATH is given that has helm."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")  # on a machine of GitHub's, without Pulumi
    (tmp_path / "oceanid_cluster").symlink_to(ROOT / "oceanid_cluster")
    (tmp_path / "sandbox").symlink_to(ROOT / "sandbox")
    done: list[Path] = []

    def run(config: Mapping[str, object], path: str | None = None, **document: object) -> dict[str, str]:
        named = {f"oceanid-cluster:{name}": value for name, value in config.items()}
        (tmp_path / f"Pulumi.{STACK}.yaml").write_text(json.dumps({"config": named, **document}), encoding="utf-8")
        folder = tmp_path / f"out-{len(done)}"
        done.append(folder)
        monkeypatch.setenv("PATH", path or str(tmp_path))
        assert main(["render", str(folder), "--stack", f"org/oceanid-cluster/{STACK}"]) == 0
        return {str(one.relative_to(folder)): one.read_text("utf-8") for one in folder.rglob("*") if one.is_file()}

    return run


def objects(files: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {path: yaml.safe_load(text) for path, text in files.items()}


def test_every_object_that_the_program_registers_is_a_file(rendered: Render, program: Program) -> None:
    files = rendered(REQUIRED)
    wanted = {
        f"{one['metadata'].get('namespace', '_cluster')}/{one['kind']}.{one['metadata']['name']}.yaml"
        for one in manifests(program(REQUIRED))
    }
    charts = {f"{facts.namespace}/Release.{name}.yaml" for facts in CHAIN for name in facts.releases}
    charts.add("flux-system/Chart.gitops-flux.yaml")
    assert files.keys() == wanted | charts
    tunnel = objects(files)["cloudflared/Deployment.cloudflared.yaml"]
    assert tunnel["spec"]["replicas"] == 2
    assert "2.0" not in files["cloudflared/Deployment.cloudflared.yaml"]


def test_nothing_of_a_secret_is_in_it_not_even_what_is_derived_from_one(rendered: Render) -> None:
    """Whatever the secrets are, and where: the same files, to the last hash."""
    clear = rendered(EVERYTHING)
    text = "\n".join(clear.values())
    assert len(clear) > 60
    for secret in ("canary", connector_token(), connector_token(NODE_TUNNEL), TUNNEL):
        assert secret.rstrip("=") not in text.replace("canary-label", "")
        assert base64.b64encode(secret.encode()).decode().rstrip("=")[:-1] not in text
    encrypted = {name: ENCRYPTED if is_secret(name) else value for name, value in EVERYTHING.items()}
    assert rendered(encrypted) == clear
    nested = {name: value for name, value in encrypted.items() if not name.startswith("sentry.")}
    fields = {name.removeprefix("sentry."): value for name, value in encrypted.items() if name.startswith("sentry.")}
    assert rendered({**nested, "sentry": fields}) == clear
    assert rendered({**EVERYTHING, "github_token": "another", "labelStudioSecretKey": "another"}) == clear


def test_secrets_that_the_stacks_file_lacks_are_placeholders(
    rendered: Render, capsys: pytest.CaptureFixture[str]
) -> None:
    addresses = {name: value for name, value in REQUIRED.items() if not is_secret(name)}
    files = rendered(addresses, environment=["default/oceanid-cluster"])
    assert files.keys() == rendered(REQUIRED).keys()
    said = capsys.readouterr().err
    assert "nobody asked ESC: what only default/oceanid-cluster holds" in said
    assert "chart flux2" in said
    # Half of a pair, and what a flag needs.
    more = {"flux.webhook_hostname": "flux.example.org", "manageTunnelConfig": "true"}
    rules = "_cloudflare/ZeroTrustTunnelCloudflaredConfig.cloudflare-remote-config.yaml"
    assert {"flux-system/Receiver.flux-system.yaml", rules} <= rendered({**addresses, **more}).keys()


def test_the_ids_of_tunnels_are_those_of_the_configuration(rendered: Render) -> None:
    files = rendered({**REQUIRED, "cloudflare_tunnel_token": ENCRYPTED, "cloudflare_tunnel_id": ANOTHER.upper()})
    assert f"tunnel: {ANOTHER}" in files["cloudflared/ConfigMap.cloudflared-config.yaml"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"metricsPort": "nowhere", "exposeKubelet": "perhaps"},
        {"github_token": "canary with a space"},
        {"cloudflare_node_tunnel_token": connector_token()},
        {"tethysIp": ""},
    ],
    ids=["values", "a secret in clear", "the same tunnel twice", "a missing key"],
)
def test_a_wrong_configuration_gets_the_message_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {**REQUIRED, **wrong}
    named = {f"oceanid-cluster:{name}": value for name, value in config.items()}
    (tmp_path / "Pulumi.dev.yaml").write_text(json.dumps({"config": named}), encoding="utf-8")
    with pytest.raises(StartUpError) as of_run:
        load(config, frozenset(), "dev")
    assert main(["render", str(tmp_path / "out"), "--stack", "dev"]) == 2
    answer = capsys.readouterr()
    assert answer.err == f"render: error: {of_run.value}\n"
    assert not (tmp_path / "out").exists()


def test_what_stays_and_what_is_ignored_is_said_beside_the_object(rendered: Render) -> None:
    files = rendered(REQUIRED)
    claim = files["apps/PersistentVolumeClaim.label-studio-data.yaml"]
    assert claim.startswith("# ignored: spec.storageClassName, spec.resources.requests.storage\n# retained: yes\n")
    assert not files["apps/Deployment.label-studio.yaml"].startswith("#")


def test_a_folder_that_is_not_empty_is_left_alone(rendered: Render, tmp_path: Path) -> None:
    rendered(REQUIRED)
    before = sorted(tmp_path.rglob("*"))
    assert main(["render", str(tmp_path), "--stack", STACK]) == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_the_objects_of_both_charts_are_as_a_run_makes_them(
    rendered: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the cluster itself: tests/engine/test_render.py. Here from another folder."""
    monkeypatch.setenv("PULUMI_OPTION_CWD", str(tmp_path))
    monkeypatch.chdir("/")
    folder = str(tools.get([tools.ALL["helm"], tools.ALL["kubectl"]])["helm"].parent)
    charts = {
        "fluxChart": "./sandbox/charts/flux2",
        "pulumiOperatorChart": "./sandbox/charts/pulumi-kubernetes-operator",
    }
    files = rendered({**REQUIRED, **charts}, path=f"{os.environ['PATH']}{os.pathsep}{folder}")
    made = objects(files)
    operator = made["pulumi-system/Deployment.pulumi-kubernetes-operator-controller-manager.yaml"]
    assert operator["metadata"]["annotations"] == {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}
    assert operator["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == 65532
    crd = files["_cluster/CustomResourceDefinition.stacks.pulumi.com.yaml"]
    assert crd.startswith("# ignored: spec\n# release: pko-helm\n# retained: yes\n")
    assert "annotations" not in crd  # Helm post-renders no CRD
    source = files["flux-system/Deployment.source-controller.yaml"]
    assert source.startswith("# chart: gitops-flux\n")
    assert objects(files)["flux-system/Deployment.source-controller.yaml"]["metadata"]["annotations"]


def test_every_text_is_written_so_that_kubernetes_reads_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tools.get([tools.ALL["kubectl"]])["kubectl"].parent), prepend=os.pathsep)
    texts = {
        str(at): text
        for at, text in enumerate([*LITERALS.split(), ".inf", "-.Inf", ".NAN", "-.5", "a: b", "# c", "two\nlines"])
    }
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": texts}
    (written,) = objects_of(render.text(Rendered(manifest)))
    assert written["data"] == texts
    with pytest.raises(CommandError, match="kubectl cannot read what helm made"):
        objects_of("a: [\nb")
