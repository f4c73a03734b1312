"""The predecessor's resources, registered flat: with the edges that its state records, and without any chain.

The folder in which it runs holds ``resources.json`` (tests/engine/predecessor.py) and links to the sandbox's charts.
The provider has the options of the program's own.
"""

import json
import os
from pathlib import Path
from typing import Any

import pulumi
from pulumi_kubernetes import Provider
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
    return pulumi.CustomResource(kind, name, inputs, options)


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
