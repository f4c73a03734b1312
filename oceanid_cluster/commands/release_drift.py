"""Compares what a Helm release installed with what is live: the engine sees the release, and not its objects.

Helm keeps each release in a Secret of its namespace (helm.sh/helm/v3 pkg/storage/driver/secrets.go and util.go): JSON,
gzipped, in base64. The API server itself is asked what re-applying that manifest would change, by a dry run: it knows
defaults, units of quantities, and which lists are merged. A second one creates the workloads under another name, to
see what was added to them. Nothing is written, and no value is shown.
"""

import base64
import binascii
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from oceanid_cluster.commands.objects import Object, terminating
from oceanid_cluster.startup.kubectl import Kubectl
from oceanid_cluster.startup.processes import CommandError

_LONGEST_LINE = 600
_MANAGER = "oceanid-drift"  # owns nothing: a dry run leaves no trace
_COPY = "-drift"
_IGNORED = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")
_SECRET_TYPE = "helm.sh/release.v1"
# What nobody but the chart adds to, and where: a sidecar, a variable, a key.
_WHOLE = {"Deployment": "spec", "DaemonSet": "spec", "StatefulSet": "spec", "ConfigMap": "data", "Secret": "data"}
_RESTARTED = "kubectl.kubernetes.io/restartedAt"  # of `kubectl rollout restart`, which the runbook uses


@dataclass(frozen=True, order=True)
class Difference:
    """One object that differs: what an ``up`` would do about it, its name, the paths.

    ``missing``: an ``up`` would make it again. ``terminating``: nothing, as the cluster is about to delete it.
    ``release``: the Helm release that it belongs to; None for a resource of the stack.
    """

    operation: str
    what: str
    paths: tuple[str, ...] = ()
    release: str | None = None

    def line(self) -> str:
        """The difference in one line, without values."""
        paths = f" ({', '.join(self.paths)})" if self.paths else ""
        release = f", in the Helm release {self.release}" if self.release else ""
        text = f"{self.operation} {self.what}{paths}"
        return (text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]} …") + release


def release_drift(release: str, kubectl: Kubectl) -> list[Difference]:
    """What differs from the release ``namespace/name``.

    Raises CommandError when the cluster cannot be asked, or has no such release.
    """
    namespace, _, name = release.rpartition("/")
    record = _record(namespace, name, kubectl)
    manifest, crds = str(record.get("manifest") or ""), _crds(record)
    found = [Difference(how, f"CustomResourceDefinition {crd}", release=release) for crd, how in _gone(crds, kubectl)]
    if manifest.strip():
        live = _by_name(kubectl.objects("get", "-n", namespace, "--ignore-not-found", "-f", "-", stdin=manifest))
        dry_run = ("apply", "-n", namespace, "--server-side", "--force-conflicts", "--dry-run=server")
        wanted = _by_name(kubectl.objects(*dry_run, f"--field-manager={_MANAGER}", "-f", "-", stdin=manifest))
        copies = _copies(namespace, manifest, kubectl)
        for place, one in wanted.items():
            if place not in live:
                found.append(Difference("missing", place, release=release))
                continue
            if terminating(live[place]):
                found.append(Difference("terminating", place, release=release))
            paths = {*differences(live[place], one)}
            if place in copies:
                part = _WHOLE[one["kind"]]
                paths |= {*differences(live[place].get(part), copies[place].get(part), part)}
            if paths:
                found.append(Difference("update", place, tuple(sorted(paths)), release))
    return sorted(found)


def _copies(namespace: str, manifest: str, kubectl: Kubectl) -> dict[str, Object]:
    """The workloads and data of a manifest as they would be if they were made now, by kind and name."""
    plain = kubectl.objects("create", "-n", namespace, "--dry-run=client", "-f", "-", stdin=manifest)
    chosen = [one for one in plain if one["kind"] in _WHOLE]
    if not chosen:
        return {}
    renamed = [{**one, "metadata": {**one["metadata"], "name": f"{one['metadata']['name']}{_COPY}"}} for one in chosen]
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": renamed})
    made = kubectl.objects("create", "-n", namespace, "--dry-run=server", "-f", "-", stdin=document)
    return {place.removesuffix(_COPY): one for place, one in _by_name(made).items()}


def differences(live: object, wanted: object, path: str = "") -> Iterator[str]:
    """The paths at which two objects differ, apart from status and what the API server keeps in ``metadata``."""
    if isinstance(live or wanted, dict) and isinstance(wanted or live, dict):
        one, other = (cast("dict[str, object]", side or {}) for side in (live, wanted))
        ignored = ("status",) if not path else _IGNORED if path == "metadata" else ()
        for name in sorted({*one, *other} - {*ignored, _RESTARTED}):
            yield from differences(one.get(name), other.get(name), _joined(path, name))
    elif isinstance(live, list) and isinstance(wanted, list):
        first, second = cast("list[object]", live), cast("list[object]", wanted)
        if len(first) != len(second):
            yield path
            return
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif live != wanted and (live or wanted):  # nothing is written in several ways
        yield path


def _joined(path: str, name: str) -> str:
    """The path of a field as the engine writes it: a name with a dot or a slash is quoted."""
    if not name.replace("-", "").replace("_", "").isalnum():
        return f'{path}["{name}"]'
    return f"{path}.{name}" if path else name


def records(release: str) -> str:
    """The selector of Helm's records of a release, which are Secrets (helm: pkg/storage/driver/secrets.go)."""
    return f"owner=helm,name={release}"


def _record(namespace: str, name: str, kubectl: Kubectl) -> dict[str, Any]:
    """What Helm knows of the newest revision of a release that it deployed."""
    selector = f"{records(name)},status in (deployed,superseded,failed)"
    kept = kubectl.objects("get", "secrets", "-n", namespace, "-l", selector)
    kept = [one for one in kept if one.get("type") == _SECRET_TYPE]
    deployed = [one for one in kept if one["metadata"]["labels"].get("status") == "deployed"] or kept
    if not deployed:
        raise CommandError(f"Helm has no record of the release '{name}' in namespace '{namespace}'")
    newest = max(deployed, key=lambda one: int(one["metadata"]["labels"].get("version", 0)))
    try:
        encoded = base64.b64decode(base64.b64decode(newest["data"]["release"]))
        return json.loads(gzip.decompress(encoded) if encoded.startswith(b"\x1f\x8b\x08") else encoded)
    except (KeyError, ValueError, OSError, EOFError, binascii.Error):
        raise CommandError(f"Helm's record of the release '{name}' cannot be read") from None


def _crds(record: Object) -> list[str]:
    """The files of a chart's folder ``crds``: Helm installs them and leaves them out of its manifest."""
    chart: Object = record.get("chart") or {}
    files: Sequence[Object] = chart.get("files") or ()
    found = [str(one["data"]) for one in files if str(one.get("name", "")).startswith("crds/") and one.get("data")]
    return [base64.b64decode(one).decode() for one in found]


def _gone(manifests: Sequence[str], kubectl: Kubectl) -> Iterator[tuple[str, str]]:
    """The names of CRDs that are not in the cluster, or are being deleted, and which of both."""
    if not manifests:
        return
    document = "\n---\n".join(manifests)
    wanted = kubectl.objects("create", "--dry-run=client", "-f", "-", stdin=document)
    found = kubectl.objects("get", "--ignore-not-found", "-f", "-", stdin=document)
    live = {one["metadata"]["name"]: one for one in found}
    for name in (one["metadata"]["name"] for one in wanted):
        if name not in live or terminating(live[name]):
            yield name, "terminating" if name in live else "missing"


def _by_name(objects: Sequence[Object]) -> dict[str, Object]:
    """Objects by kind and name, with the namespace when there is one."""
    found: dict[str, Object] = {}
    for one in objects:
        group = "" if one["apiVersion"] == "v1" else f"{one['apiVersion']} "
        namespace = one["metadata"].get("namespace")
        found[f"{group}{one['kind']} {f'{namespace}/' if namespace else ''}{one['metadata']['name']}"] = one
    return found
