"""May a deploy start? ``python -m oceanid_cluster.preflight``: read-only, one table, an exit code.

Looks at the kubeconfig, the API server, its version, the nodes, the storage class, and at what already exists and who
manages it. Exit code 0: nothing stands in the way. 1: something does. 2: Pulumi could not be asked.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from oceanid_cluster import report, versions
from oceanid_cluster.commands import CommandError, answer, kubectl_get
from oceanid_cluster.config import NODES, PROJECT, Settings, read_without_secrets
from oceanid_cluster.kubeconfig import check_reachable, load_kubeconfig
from oceanid_cluster.landmarks import LANDMARKS, RESOURCES
from oceanid_cluster.report import Row

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
Object = Mapping[str, Any]


def stack_settings(stack: str | None) -> Settings:
    """What the stack's configuration says, apart from its secrets. Raises CommandError."""
    chosen = ["--stack", stack] if stack else []
    entries: dict[str, dict[str, Any]] = json.loads(answer("pulumi", "config", "--json", *chosen))
    given = {
        name.removeprefix(f"{PROJECT}:"): str(entry["value"])
        for name, entry in entries.items()
        if name.startswith(f"{PROJECT}:") and not entry.get("secret") and "value" in entry
    }
    return read_without_secrets(given, (stack or "stack").rpartition("/")[2])


def check(settings: Settings, environ: Mapping[str, str]) -> list[Row]:
    """Every check; those that need the cluster are left out once it cannot be reached."""
    rows = [_kubeconfig(settings, environ)]
    if report.passed(rows):
        try:
            rows += [_version(), *_nodes(), _storage(settings), *_existing()]
        except CommandError as problem:
            rows.append(Row("cluster", "API server", "failed", str(problem)))
    return rows


def _kubeconfig(settings: Settings, environ: Mapping[str, str]) -> Row:
    cluster = settings.cluster
    known = [cluster.tethys_ip, cluster.styx_ip, settings.tunnel.hostname, *(cluster.allowed_api_hosts or ())]
    try:
        found = load_kubeconfig(
            cluster.kubeconfig_path, environ, cluster.kube_context, [host for host in known if host]
        )
        check_reachable(found)
    except pulumi.RunError as problem:
        return Row("cluster", "kubeconfig", "failed", " ".join(str(problem).split()))
    return Row("cluster", "kubeconfig", "ok", f"{found.path} leads to {found.server}, which answers")


def _version() -> Row:
    served: dict[str, str] = json.loads(answer("kubectl", "get", "--raw", "/version"))["gitVersion"]
    found = tuple(int(part) for part in re.findall(r"\d+", str(served))[:2])
    minimum = versions.minimum_kubernetes()
    enough = found >= tuple(int(part) for part in minimum.split("."))
    detail = f"{served}; Flux {'is content with' if enough else 'needs'} {minimum} or newer"
    return Row("cluster", "version", "ok" if enough else "failed", detail)


def _nodes() -> list[Row]:
    live = {node["metadata"]["name"]: node for node in kubectl_get("nodes")}
    return [_node(node.name, node.host, live.get(node.host)) for node in NODES]


def _node(name: str, host: str, found: Object | None) -> Row:
    if found is None:
        return Row("node", name, "failed", f"no node {host} in the cluster: wrong cluster, or edit NODES in config.py")
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in found["status"].get("conditions", []))
    if not ready:
        return Row("node", name, "warning", f"{host} is not Ready; its pods will not get ready")
    return Row("node", name, "ok", host)


def _storage(settings: Settings) -> Row:
    classes = {one["metadata"]["name"]: one["metadata"].get("annotations", {}) for one in kubectl_get("storageclasses")}
    default = [name for name, annotations in classes.items() if annotations.get(_DEFAULT_CLASS) == "true"]
    wanted = settings.label_studio.storage_class
    if wanted:
        state = "ok" if wanted in classes else "failed"
        return Row("cluster", "storage class", state, f"{wanted}{'' if wanted in classes else ' does not exist'}")
    if len(default) == 1:
        return Row("cluster", "storage class", "ok", f"{default[0]} is the default")
    state = "failed" if settings.enabled.label_studio else "warning"
    found = f"several are the default: {', '.join(default)}" if default else "none is the default"
    return Row("cluster", "storage class", state, f"{found}; run: pulumi config set labelStudioStorageClass <name>")


def _existing() -> list[Row]:
    """Who manages what is already there, component by component."""
    live: dict[tuple[str, str, str], Object] = {}
    for kind, resource in RESOURCES.items():
        for one in kubectl_get(resource, "-A", "--show-managed-fields"):
            live[(kind, one["metadata"].get("namespace", ""), one["metadata"]["name"])] = one
    rows: list[Row] = []
    for component in dict.fromkeys(landmark.component for landmark in LANDMARKS):
        wanted = [landmark for landmark in LANDMARKS if landmark.component == component]
        places = [("Namespace", "", name) for name in dict.fromkeys(landmark.namespace for landmark in wanted)]
        places += [(landmark.kind, landmark.namespace, landmark.name) for landmark in wanted]
        rows.append(_owners(component, [live[place] for place in places if place in live]))
    return rows


def _owners(component: str, found: Sequence[Object]) -> Row:
    if not found:
        return Row("existing", component, "ok", "nothing yet")
    owners: dict[str, list[str]] = {}
    for one in found:
        owners.setdefault(owner(one), []).append(f"{one['kind']}/{one['metadata']['name']}")
    foreign = {name: objects for name, objects in owners.items() if name != "Pulumi"}
    if not foreign:
        return Row("existing", component, "ok", f"{len(found)} objects, managed by Pulumi")
    detail = "; ".join(f"{', '.join(objects)}: managed by {name}" for name, objects in foreign.items())
    return Row("existing", component, "warning", f"{detail}. One owner each: remove the other, then adoptExisting")


def owner(found: Object) -> str:
    """Who manages an object: Pulumi, Flux, Helm, or the tool that wrote it."""
    metadata = found["metadata"]
    labels: Mapping[str, str] = metadata.get("labels", {})
    annotations: Mapping[str, str] = metadata.get("annotations", {})
    for label, tool in (("kustomize", "Kustomization"), ("helm", "HelmRelease")):
        if name := labels.get(f"{label}.toolkit.fluxcd.io/name"):
            return f"Flux ({tool} {name})"
    managers = [str(entry.get("manager", "")) for entry in metadata.get("managedFields", [])]
    release = annotations.get("meta.helm.sh/release-name")
    # The operator is a Helm release of ours, and helm is what writes it.
    if any(manager.startswith("pulumi") for manager in managers) or release == "pulumi-kubernetes-operator":
        return "Pulumi"
    if release:
        return f"Helm (release {release})"
    return next((manager for manager in managers if not manager.startswith("kube-")), "somebody")


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m oceanid_cluster.preflight", description="may a deploy start?")
    parser.add_argument("--stack", help="whose configuration counts; else the selected stack")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    options = parser.parse_args(arguments)
    try:
        settings = stack_settings(options.stack)
    except CommandError as problem:
        print(f"preflight: cannot tell: {problem}", file=sys.stderr)
        return 2
    rows = check(settings, os.environ)
    print(report.as_json(rows) if options.json else report.as_table(rows))
    return 0 if report.passed(rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
