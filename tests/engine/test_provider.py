"""What the program needs of the Kubernetes provider: the one in use, called as the engine calls it."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from sandbox import plugins, tools
from sandbox.engine import ADOPT
from sandbox.layout import Sandbox
from tests.engine.engine import Engine
from tests.providers import Provider, running

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
UPSERT, FORCE = ("kubernetes:config:upsertExistingObjects", "kubernetes:config:enablePatchForce")
Start = Callable[..., Provider]


def program(sandbox: Sandbox) -> Path:
    """The provider that the engine takes."""
    [found] = (sandbox.home / "pulumi" / "plugins").glob(f"resource-kubernetes-v*/{tools.PROVIDER.name}")
    return found.resolve()


@pytest.fixture
def start(engine: Engine) -> Iterator[Start]:
    """Starts a provider with options, and with variables of its process."""
    with ExitStack() as stack:

        def start(options: Mapping[str, str] | None = None, variables: Mapping[str, str] | None = None) -> Provider:
            environment = {**engine.environment(), **(variables or {})}
            provider = stack.enter_context(running(program(engine.sandbox), environment))
            kubeconfig = {"kubernetes:config:kubeconfig": engine.sandbox.kubeconfig.read_text(encoding="utf-8")}
            provider.configure({**kubeconfig, **(options or {})})
            return provider

        yield start


def config_map(name: str, value: str = "ours") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value}}


@pytest.fixture
def existing(engine: Engine) -> Iterator[str]:
    """The name of a ConfigMap of somebody else, whose value is "theirs"."""
    document = json.dumps(config_map("existing", "theirs"))
    engine.kubectl("-n", "default", "apply", "--server-side", "--field-manager=them", "-f", "-", stdin=document)
    yield "existing"
    engine.kubectl("-n", "default", "delete", "configmap", "existing", "fresh", "--ignore-not-found")


def value(engine: Engine, name: str) -> str:
    return engine.kubectl("-n", "default", "get", "configmap", name, "-o", "jsonpath={.data.key}")


def test_what_exists_is_not_taken_unless_the_provider_may(engine: Engine, start: Start, existing: str) -> None:
    refusing = ({}, {}), ({UPSERT: "false"}, ADOPT)  # an option takes precedence over the variable
    for options, variables in refusing:
        provider = start({FORCE: "true", **options}, variables)
        with pytest.raises(grpc.RpcError, match='configmaps "existing" already exists'):
            provider.create(CONFIG_MAP, config_map(existing))
        assert value(engine, existing) == "theirs"
    assert start().create(CONFIG_MAP, config_map("fresh")).id == "default/fresh"  # what is not there is made
    for options, variables in ({UPSERT: "true"}, {}), ({}, ADOPT):
        assert start({FORCE: "true", **options}, variables).create(CONFIG_MAP, config_map(existing))
        assert value(engine, existing) == "ours"
        engine.kubectl("-n", "default", "patch", "configmap", existing, "-p", '{"data": {"key": "theirs"}}')


def test_an_object_that_is_not_ready_exists(engine: Engine, start: Start) -> None:
    """A Deployment without pods would be waited for, not refused, if its rollout counted."""
    labels = {"app": "waiting"}
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "waiting", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"nodeSelector": {"none": "such"}, "containers": [{"name": "any", "image": "example.org/any"}]},
            },
        },
    }  # fmt: skip
    engine.kubectl("create", "-f", "-", stdin=json.dumps(deployment))
    try:
        with pytest.raises(grpc.RpcError, match=r'deployments\.apps "waiting" already exists'):
            start().create("kubernetes:apps/v1:Deployment", deployment)
    finally:
        engine.kubectl("-n", "default", "delete", "deployment", "waiting")


def test_a_field_of_somebody_else_is_taken_when_patches_are_forced(engine: Engine, start: Start, existing: str) -> None:
    """A patch is not an object of its own: what it changes exists."""
    patch = config_map(existing)
    with pytest.raises(grpc.RpcError, match="conflict"):
        start().create(f"{CONFIG_MAP}Patch", patch)
    assert value(engine, existing) == "theirs"
    assert start({FORCE: "true"}).create(f"{CONFIG_MAP}Patch", patch).id == "default/existing"
    assert value(engine, existing) == "ours"


def test_a_preview_says_nothing_of_what_exists(start: Start, existing: str) -> None:
    assert start().create(CONFIG_MAP, config_map(existing), preview=True).id == ""


def test_a_provider_on_path_is_taken_unless_it_is_too_old(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built = tools.get([tools.PROVIDER])[tools.PROVIDER.name]
    assert plugins.told_version(str(built)) == tools.KUBERNETES_PROVIDER
    theirs, sandbox = tmp_path / "bin", Sandbox(tmp_path / "home")
    for folder in (theirs, sandbox.bin):
        folder.mkdir(parents=True)
    tools.script(theirs / built.name, f'exec "{built}" "$@"')
    for name in ("pulumi", "pulumi-language-python"):
        (sandbox.bin / name).symlink_to(engine.sandbox.bin / name)
    monkeypatch.setenv("PATH", f"{theirs}{os.pathsep}{os.environ['PATH']}")
    plugins.provide(sandbox)
    said = capsys.readouterr().err
    assert f"({theirs / built.name} is {tools.KUBERNETES_PROVIDER}, too old)" in said
    assert program(sandbox) == built
    monkeypatch.setitem(plugins.OLDEST, "kubernetes", (4, 25))
    plugins.provide(sandbox)
    assert f"provider kubernetes: {tools.KUBERNETES_PROVIDER}, {theirs / built.name}\n" in capsys.readouterr().err
    assert program(sandbox) == theirs / built.name
