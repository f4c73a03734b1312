"""What ``render`` writes without a cluster is what ``up`` makes in one."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from docs import keys
from oceanid_cluster.commands.render import Rendered
from oceanid_cluster.config.schema import PROJECT
from oceanid_cluster.config.tunnel_token import parse_tunnel_token
from oceanid_cluster.manifests import labels
from sandbox.diff.compare import read
from sandbox.layout import ROOT
from tests.engine.engine import Engine, run

# Only a secret says them: the values of Secrets, and a hash of them.
_ROLLOUT = f"spec.template.metadata.annotations.{labels.ROLLOUT}"


def unlike(rendered: Any, live: Any, path: str = "") -> Iterator[str]:
    """The paths at which a live object has not what is rendered; it may have more."""
    if isinstance(rendered, dict) and isinstance(live, dict):
        for name, value in rendered.items():
            yield from unlike(value, live.get(name), f"{path}.{name}".lstrip("."))
    elif isinstance(rendered, list) and isinstance(live, list) and len(rendered) == len(live):
        for at, (one, other) in enumerate(zip(rendered, live, strict=True)):
            yield from unlike(one, other, f"{path}[{at}]")
    elif rendered != live and (rendered or live):  # nothing is written in several ways
        yield path


def place(one: dict[str, Any]) -> str:
    metadata = one["metadata"]
    return f"{metadata.get('namespace', '_cluster')}/{one['kind']}.{metadata['name']}"


def secrets(engine: Engine) -> dict[str, str]:
    answer = engine.pulumi("config", "--json", "--show-secrets")
    found = {name.removeprefix(f"{PROJECT}:"): one for name, one in json.loads(answer.stdout).items()}
    return {name: one["value"] for name, one in found.items() if one["secret"]}


def rendered(engine: Engine, folder: Path) -> dict[str, Rendered]:
    """What is rendered of the committed configuration, and of the ids that only its tokens say."""
    engine.sandbox.link_project(folder / "project")
    file = folder / "project" / "Pulumi.sandbox.yaml"
    known = secrets(engine)
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    for key, token in (("tunnel_id", "tunnel_token"), ("node_tunnel_id", "node_tunnel_token")):
        document["config"][f"{PROJECT}:cloudflare_{key}"] = parse_tunnel_token(known[f"cloudflare_{token}"]).tunnel_id
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    command = [sys.executable, "-m", "oceanid_cluster", "render", str(folder / "out"), "--stack", "sandbox"]
    environment = {
        **engine.environment("kubectl"),
        "KUBECONFIG": "/nowhere",
        "PULUMI_CONFIG_PASSPHRASE_FILE": "/nowhere",
    }
    assert run(command, folder / "project", environment).stderr == ""
    return read(folder / "out")


def test_what_up_made_and_what_render_wrote_agree_object_by_object(clean: Engine, tmp_path: Path) -> None:
    objects = rendered(clean, tmp_path)
    found = json.loads(clean.kubectl("get", "-R", "-f", str(tmp_path / "out"), "-o", "json"))["items"]
    live = {place(one): one for one in found}
    assert live.keys() == objects.keys()
    wrong: list[str] = []
    for name, one in objects.items():
        manifest = one.manifest
        hidden = {f"data.{key}" for key in manifest.get("data", {})} if manifest["kind"] == "Secret" else {_ROLLOUT}
        wrong += [f"{name}: {path}" for path in unlike(manifest, live[name]) if path not in hidden]
    assert wrong == []
    assert any(_ROLLOUT in {*unlike(one.manifest, live[name])} for name, one in objects.items())

    # And there is nothing else of ours, nor anything that Git could touch.
    kinds = clean.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    everything = json.loads(clean.kubectl("get", ",".join(kinds), "-A", "-o", "json", "--show-managed-fields"))["items"]
    ours = {place(one) for one in everything if is_marked(one) and is_made_by_us(one)}
    assert ours <= objects.keys()
    assert len(ours) > 70
    made = [one for one in everything if is_made_by_pulumi(one)]
    assert len(made) > 70
    assert [place(one) for one in made if not is_marked(one)] == []


def is_marked(one: dict[str, Any]) -> bool:
    """Whether Flux leaves it alone."""
    return labels.FLUX_LEAVES_ALONE.items() <= (one["metadata"].get("annotations") or {}).items()


def is_made_by_us(one: dict[str, Any]) -> bool:
    """Not by Kubernetes from an object of ours, whose annotations it copies."""
    return "ownerReferences" not in one["metadata"] and one["kind"] not in ("Endpoints", "EndpointSlice")


def is_made_by_pulumi(one: dict[str, Any]) -> bool:
    """Not patched, as nodes are, and not by Helm, whose record of a release the provider writes."""
    managers = [entry["manager"] for entry in one["metadata"].get("managedFields", [])]
    ours = any(manager.startswith("pulumi-kubernetes") for manager in managers)
    return ours and one["kind"] != "Node" and one.get("type") != "helm.sh/release.v1"


def test_the_example_with_six_values_deploys(clean: Engine) -> None:
    """And the charts of the sandbox, which has no others."""
    known = secrets(clean)
    committed = yaml.safe_load((ROOT / "Pulumi.sandbox.yaml").read_text(encoding="utf-8"))
    file = clean.folder / "Pulumi.sandbox.yaml"
    file.write_text(f"encryptionsalt: {committed['encryptionsalt']}\n{keys.example()}", encoding="utf-8")
    rows = keys.required()
    assert len(rows) == 6
    for row in rows:
        value = known.get(row.name) or committed["config"][f"{PROJECT}:{row.name}"]
        clean.configure(row.name, value, secret=row.secret)
    for name, value in committed["config"].items():
        if name.endswith("Chart"):
            clean.configure(name.removeprefix(f"{PROJECT}:"), value)
    assert "# pulumi config set --secret pulumi_access_token" in file.read_text(encoding="utf-8")  # comments stay
    assert clean.up().changes == {}
    clean.is_changed = False  # it is the committed configuration in other words
