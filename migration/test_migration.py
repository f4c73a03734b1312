"""README.md, followed to the letter on the predecessor's objects in a bare cluster."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from migration import predecessor
from sandbox import tools
from tests.engine.engine import Engine, flux_reports

pytestmark = pytest.mark.slow

PAGE = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(bash|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
STEPS = re.split(r"^## (?=\d)", PAGE, flags=re.MULTILINE)[1:]
PATCH_STRATEGY = next(block for _, block in _BLOCK.findall(PAGE) if "rollingUpdate" in block)
# What a machine without GitHub, Git's remote, the nodes, Cloudflare and the database cannot run.
OUTSIDE = {
    "gh", "flux", "git", "ssh", "curl", "pg_dump", "pg_restore", "kubectl get", "kubectl patch", "python -m",
    "pulumi config", "pulumi up",
}  # fmt: skip
PLAN = "python -m oceanid_cluster plan"
KINDS = (
    "namespaces", "deployments", "daemonsets", "services", "secrets", "configmaps", "persistentvolumeclaims",
    "customresourcedefinitions", "gitrepositories", "kustomizations.kustomize.toolkit.fluxcd.io",
)  # fmt: skip
SECRETS = {
    "pulumi_access_token": "pul-x", "aws.labelStudio.accessKeyId": "a", "aws.labelStudio.secretAccessKey": "b",
    "hfAccessToken": "fake-hf", "nerLabels": '["O"]', "ghcrToken": "fake-ghcr", "sentry.dsn": "https://k@s.example/1",
    "cfAccessClientId": "id.access", "cfAccessClientSecret": "fake-access-secret",
}  # fmt: skip


def test_a_block_that_is_not_run_here_has_only_commands_that_cannot_be() -> None:
    for kind, block in _BLOCK.findall(PAGE):
        for line in block.splitlines() if kind == "sh" else ():
            words = line.split()
            assert words[0] in OUTSIDE or " ".join(words[:2]) in OUTSIDE, line


def uids(engine: Engine) -> dict[str, str]:
    """Who is who: the uid of each object, Helm's records and the API server's own left out."""
    found: dict[str, str] = {}
    for one in engine.objects(*KINDS):
        metadata = one["metadata"]
        if not metadata["name"].startswith(("sh.helm.release", "kube-root-ca")):
            found[f"{one['kind']} {metadata.get('namespace', '')}/{metadata['name']}"] = metadata["uid"]
    return found


def prepared(engine: Engine, folder: Path, *, production: bool) -> dict[str, str]:
    """The predecessor's cluster and stack; returns the uids of its objects."""
    entries = predecessor.fill_in(predecessor.resources(production=production), engine)
    if production:
        engine.kubectl("create", "namespace", "apps")  # by Flux, in production
    predecessor.put_into(engine, entries, folder)
    if production:
        label_studio_of_flux(engine)
    predecessor.wait_until_ready(engine)
    file = engine.folder / "Pulumi.prod.yaml"
    (engine.folder / "Pulumi.sandbox.yaml").rename(file)
    salt = yaml.safe_load(file.read_text(encoding="utf-8"))["encryptionsalt"]
    state = folder / "predecessor.json"
    state.write_text(json.dumps(predecessor.state(entries, "apiVersion: v1\n", salt)), encoding="utf-8")
    engine.pulumi("stack", "init", "prod", "--no-select")
    engine.pulumi("stack", "import", "--file", str(state), variables={"PULUMI_STACK": "prod"})
    for key in SECRETS:
        set_key(engine, key)
    (engine.folder / "migration").symlink_to(Path(__file__).parent)
    tools.script(engine.sandbox.bin / "python", f'exec "{sys.executable}" "$@"')
    for key, value in {"ghcrUsername": "bot", "aws.labelStudio.bucketName": "uploads"}.items():
        run(engine, f"pulumi config set {key} {value}")
    return uids(engine)


def set_key(engine: Engine, key: str) -> None:
    """Set a secret key of the stack, by standard input."""
    command = ("config", "set", "--secret", key)
    engine.pulumi(*command, variables={"PULUMI_STACK": "prod"}, stdin=SECRETS[key])


def label_studio_of_flux(engine: Engine) -> None:
    """What Git has in production: Label Studio, by a HelmRelease of the older API version."""
    labels = {"app": "label-studio-ls-app"}
    pod = {"containers": [{"name": "app", "image": "heartexlabs/label-studio:1.21.0"}]}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    release = {"interval": "10m", "chart": {"spec": {"chart": "label-studio"}}}
    for document in (
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "label-studio-ls-app"}, "spec": spec},
        {"apiVersion": "helm.toolkit.fluxcd.io/v2beta1", "kind": "HelmRelease",
         "metadata": {"name": "label-studio"}, "spec": release},
    ):  # fmt: skip
        manager = ("--server-side", "--field-manager=kustomize-controller")
        engine.kubectl("-n", "apps", "apply", *manager, "-f", "-", stdin=json.dumps(document))


def migrated_in_git(engine: Engine) -> None:
    """What ``flux migrate`` leads to: the HelmRelease in the newer version. Helm's values do not matter here."""
    release = {
        "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "label-studio"},
        "spec": {
            "interval": "10m",
            "chart": {"spec": {"chart": "label-studio", "sourceRef": {"kind": "HelmRepository", "name": "heartex"}}},
        },
    }  # fmt: skip
    patch = '[{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]'  # as flux migrate does
    engine.kubectl("-n", "apps", "patch", "helmrelease", "label-studio", "--type=json", "-p", patch)
    manager = ("--server-side", "--force-conflicts", "--field-manager=kustomize-controller")
    engine.kubectl("-n", "apps", "apply", *manager, "-f", "-", stdin=json.dumps(release))


def run(engine: Engine, script: str, code: int = 0) -> str:
    """Run lines of the page; returns what they print."""
    answer = engine.shell(script, {"PULUMI_STACK": "prod"}, code=code)
    return answer.stdout + answer.stderr


def blocks(step: str) -> Iterator[str]:
    """The blocks of a step that are run here. Health asks what Flux reports: nothing runs inside its pods."""
    for kind, block in _BLOCK.findall(step):
        if kind == "bash":
            before, found, after = block.partition("python -m oceanid_cluster health")
            yield before
            if found:
                yield found + after


@pytest.mark.full  # the test below is the cheaper one of the same promise
def test_production_is_migrated_step_by_step_and_nothing_is_deleted_or_recreated(bare: Engine, tmp_path: Path) -> None:
    before = prepared(bare, tmp_path, production=True)
    for step in STEPS:
        for block in filter(str.strip, blocks(step)):
            if block.startswith("python -m oceanid_cluster health"):
                flux_reports(bare)
            run(bare, block)
        if step.startswith("1."):
            migrated_in_git(bare)
        now = uids(bare)
        assert {name: now.get(name) for name in before} == before, step.splitlines()[0]
    ask = ("-n", "apps", "get", "deployment", "ls-triton-adapter", "-o", "json")
    live: dict[str, Any] = json.loads(bare.kubectl(*ask))
    (container,) = live["spec"]["template"]["spec"]["containers"]
    plain = {one["name"] for one in container["env"] if "value" in one}
    assert not plain & {*predecessor.PLAIN_VARIABLES, "NER_LABELS"}
    assert run(bare, PLAN).startswith("nothing to change")


def test_a_stack_that_runs_everything_is_adopted_at_once_and_the_gate_stops_a_loss(
    bare: Engine, tmp_path: Path
) -> None:
    before = prepared(bare, tmp_path, production=False)
    adopt = "pulumi stack export | python -m migration oceanid-prod > s.json"
    run(bare, f"{adopt}; pulumi stack import --file s.json")
    run(bare, "pulumi config rm pulumi_access_token")
    gate = run(bare, PLAN, code=1)
    assert gate.partition("plan: stop")[2].splitlines()[1:] == ["  - delete core/v1 Secret pko-api-secret"]
    set_key(bare, "pulumi_access_token")
    run(bare, f"{PATCH_STRATEGY}\npulumi up --refresh --run-program")
    assert run(bare, PLAN).startswith("nothing to change")
    now = uids(bare)
    assert {name: now.get(name) for name in before} == before
