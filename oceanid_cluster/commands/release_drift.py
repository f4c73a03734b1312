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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from oceanid_cluster.commands.objects import Object, part, terminating
from oceanid_cluster.commands.operation import Change
from oceanid_cluster.startup.kubectl import Kubectl
from oceanid_cluster.startup.processes import CommandError

_MANAGER = "oceanid-drift"  # owns nothing: a dry run leaves no trace
_COPY = "-drift"
_IGNORED = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")
_SECRET_TYPE = "helm.sh/release.v1"
# What nobody but the chart adds to, and where: a sidecar, a variable, a key.
_WHOLE = {"Deployment": "spec", "DaemonSet": "spec", "StatefulSet": "spec", "ConfigMap": "data", "Secret": "data"}
_RESTARTED = "kubectl.kubernetes.io/restartedAt"  # of `kubectl rollout restart`, which the runbook uses
Key = tuple[str, str]


def release_drift(release: str, kubectl: Kubectl) -> list[Change]:
    """What differs from the release ``namespace/name``, as changes that would put it right.

    Raises CommandError when the cluster cannot be asked, or has no such release.
    """
    namespace, _, name = release.rpartition("/")
    record = _record(namespace, name, kubectl)
    manifest = str(record.get("manifest") or "")
    found = [*_crd_changes(record, release, kubectl)]
    if manifest.strip():
        live = _by_key(kubectl.objects("get", "-n", namespace, "--ignore-not-found", "-f", "-", stdin=manifest))
        dry_run = ("apply", "-n", namespace, "--server-side", "--force-conflicts", "--dry-run=server")
        wanted = _by_key(kubectl.objects(*dry_run, f"--field-manager={_MANAGER}", "-f", "-", stdin=manifest))
        copies = _copies(namespace, manifest, kubectl)
        for key, one in wanted.items():
            found += _gone(key, live, release)
            if key not in live:
                continue
            paths = {*differences(live[key], one)}
            if key in copies:
                whole = _WHOLE[one["kind"]]
                paths |= {*differences(live[key].get(whole), copies[key].get(whole), whole)}
            if paths:
                found.append(Change("update", *key, tuple(sorted(paths)), release=release))
    return found


def _copies(namespace: str, manifest: str, kubectl: Kubectl) -> dict[Key, Object]:
    """The workloads and data of a manifest as they would be if they were made now."""
    plain = kubectl.objects("create", "-n", namespace, "--dry-run=client", "-f", "-", stdin=manifest)
    chosen = [one for one in plain if one["kind"] in _WHOLE]
    if not chosen:
        return {}
    renamed = [{**one, "metadata": {**one["metadata"], "name": f"{one['metadata']['name']}{_COPY}"}} for one in chosen]
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": renamed})
    made = kubectl.objects("create", "-n", namespace, "--dry-run=server", "-f", "-", stdin=document)
    return {(token, name.removesuffix(_COPY)): one for (token, name), one in _by_key(made).items()}


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
        raise CommandError(f"Helm has no record of a deployed release '{name}' in namespace '{namespace}'")
    newest = max(deployed, key=lambda one: int(one["metadata"]["labels"].get("version", 0)))
    try:
        encoded = base64.b64decode(base64.b64decode(newest["data"]["release"]))
        return json.loads(gzip.decompress(encoded) if encoded.startswith(b"\x1f\x8b\x08") else encoded)
    except (KeyError, ValueError, OSError, EOFError, binascii.Error):
        raise CommandError(f"Helm's record of the release '{name}' cannot be read") from None


def _crd_changes(record: Object, release: str, kubectl: Kubectl) -> Iterator[Change]:
    """The changes of CRDs in a chart's folder ``crds``, which Helm leaves out of its manifest."""
    files: Sequence[Object] = part(record, "chart").get("files") or ()
    found = [str(one["data"]) for one in files if str(one.get("name", "")).startswith("crds/") and one.get("data")]
    if not found:
        return
    document = "\n---\n".join(base64.b64decode(one).decode() for one in found)
    wanted = kubectl.objects("create", "--dry-run=client", "-f", "-", stdin=document)
    live = _by_key(kubectl.objects("get", "--ignore-not-found", "-f", "-", stdin=document))
    for one in wanted:
        yield from _gone(_key(one), live, release)


def _gone(key: Key, live: Mapping[Key, Object], release: str) -> Iterator[Change]:
    """The change of an object that is not in the cluster, or is being deleted; none of another one."""
    if key not in live:
        yield Change("create", *key, gone=True, release=release)
    elif terminating(live[key]):
        yield Change("terminating", *key, release=release)


def _key(one: Object) -> Key:
    """The type of an object as the engine writes it, and its name, after the namespace when there is one."""
    group = one["apiVersion"] if "/" in one["apiVersion"] else f"core/{one['apiVersion']}"
    namespace, name = one["metadata"].get("namespace"), one["metadata"]["name"]
    return f"kubernetes:{group}:{one['kind']}", f"{namespace}/{name}" if namespace else name


def _by_key(objects: Iterable[Object]) -> dict[Key, Object]:
    return {_key(one): one for one in objects}
