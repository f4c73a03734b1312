"""The predecessor's resources, registered flat: with the edges that its state records, and without any chain.

As it did, with the SDK's class of each kind. The folder in which it runs holds ``resources.json`` (made from
tests/data/predecessor.json) and a link to the sandbox's charts. The provider has the options of the program's own.
"""

import functools
import json
import os
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes
from pulumi_kubernetes import Provider
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.helm.v3 import Release
from pulumi_kubernetes.helm.v4 import Chart

_CHART, _RELEASE = "kubernetes:helm.sh/v4:Chart", "kubernetes:helm.sh/v3:Release"


def register(entry: dict[str, Any], options: pulumi.ResourceOptions) -> pulumi.Resource:
    """Register one resource of the export."""
    name, kind = entry["name"], entry["type"]
    if kind == _CHART:
        values = {"installCRDs": True}
        return Chart(name, chart="./charts/flux2", namespace="flux-system", values=values, opts=options)
    if "id" not in entry:
        return pulumi.ComponentResource(kind, name, None, options)
    inputs: dict[str, Any] = entry["inputs"]
    if kind == _RELEASE:
        release, namespace, values = inputs["name"], inputs["namespace"], inputs["values"]
        chart = f"./charts/{release}"
        return Release(name, name=release, namespace=namespace, chart=chart, values=values, opts=options)
    fields = {field: value for field, value in inputs.items() if field not in ("apiVersion", "kind", "roleRef")}
    if "roleRef" in inputs:
        fields["role_ref"] = inputs["roleRef"]
    if ".toolkit.fluxcd.io/" in kind:
        return CustomResource(name, api_version=inputs["apiVersion"], kind=inputs["kind"], opts=options, **fields)
    return class_of(kind)(name, opts=options, **fields)


def class_of(kind: str) -> Any:
    """The SDK's class of a type token such as ``kubernetes:rbac.authorization.k8s.io/v1:Role``."""
    group_version, name = kind.split(":")[1:]
    group, version = group_version.split("/")
    return functools.reduce(getattr, (group.partition(".")[0], version, name), pulumi_kubernetes)


def main() -> None:
    """Register everything."""
    provider = Provider(
        "k3s-provider",
        kubeconfig=Path(os.environ["KUBECONFIG"]).read_text(encoding="utf-8"),
        cluster_identifier="predecessor",
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        enable_patch_force=True,
    )
    made: dict[str, pulumi.Resource] = {}
    for entry in json.loads(Path("resources.json").read_text(encoding="utf-8")):
        before = [made[path] for path in entry["dependencies"] if path in made]
        parent = made.get(entry["parent"])
        made[entry["path"]] = register(
            entry, pulumi.ResourceOptions(parent=parent, provider=provider, depends_on=before)
        )


main()
