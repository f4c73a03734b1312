"""Finds the kubeconfig, makes sure that it leads to the Oceanid cluster, and reduces it to what the provider needs."""

import base64
import http.client
import ipaddress
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pulumi
import yaml

from oceanid_cluster.secret import Secret

CLUSTER_SERVICE_IP = "10.43.0.1"  # K3s's default address of the service `kubernetes`
SSH_TUNNEL = "ssh -L 16443:localhost:6443 tethys -N"
_READYZ_TIMEOUT_SECONDS = 10
_FILES = ("certificate-authority", "client-certificate", "client-key")
_TEXTS = (
    *_FILES, *(f"{name}-data" for name in _FILES), "server", "tls-server-name", "proxy-url", "token", "tokenFile",
    "username", "password",
)  # fmt: skip


@dataclass(frozen=True)
class Kubeconfig:
    """A checked kubeconfig.

    ``path`` is the absolute path it came from (several joined as in KUBECONFIG), ``server`` the API server's URL, and
    ``contents`` a kubeconfig of one context with its certificates inlined, which holds on any machine.
    """

    path: str
    server: str
    contents: Secret
    cluster: Mapping[str, Any]


def load_kubeconfig(
    config_path: str | None, environ: Mapping[str, str], context: str | None, known_hosts: Sequence[str]
) -> Kubeconfig:
    """The kubeconfig named by the key ``kubeconfigPath`` or by the variable KUBECONFIG.

    ``context`` is the key ``kubeContext``; ``known_hosts`` the addresses and names at which our API server answers,
    beside loopback and the cluster's service address. With both sources the variable wins, once they lead to the same
    server. Raises RunError saying what is wrong, where, and how to mend it. Nothing is contacted.
    """
    variable = environ.get("KUBECONFIG", "").strip()
    found = [
        _read(paths, source, context)
        for paths, source in (
            ([p for p in variable.split(os.pathsep) if p], "the variable KUBECONFIG"),
            ([config_path] if config_path else [], "the key kubeconfigPath"),
        )
        if paths
    ]
    if not found:
        raise pulumi.RunError(
            "no kubeconfig: neither the key kubeconfigPath nor the variable KUBECONFIG is set.\n"
            "  export KUBECONFIG=~/.kube/k3s-config.yaml        (or: pulumi config set kubeconfigPath <path>)"
        )
    if len(found) == 2 and _endpoint(found[0].server) != _endpoint(found[1].server):
        raise pulumi.RunError(
            "KUBECONFIG and kubeconfigPath lead to different API servers:\n"
            f"  KUBECONFIG      {found[0].path} -> {found[0].server}\n"
            f"  kubeconfigPath  {found[1].path} -> {found[1].server}\n"
            "  Keep one: unset KUBECONFIG, or run: pulumi config rm kubeconfigPath"
        )
    _check_host(found[0], known_hosts)
    return found[0]


def check_reachable(kubeconfig: Kubeconfig) -> None:
    """Ask the API server once whether it is ready, without credentials; any answer but 5xx will do.

    Takes 10 seconds at most. Raises RunError naming the server and the SSH tunnel, or the kubeconfig whose certificate
    authority is none.
    """
    if kubeconfig.cluster.get("proxy-url"):
        return  # only the provider's client speaks to proxies
    try:
        tls = _tls_context(kubeconfig.cluster)
    except (ssl.SSLError, ValueError):
        raise pulumi.RunError(
            f"the kubeconfig {kubeconfig.path} has a certificate authority that is not a PEM certificate.\n"
            "  Take a fresh one: k3s kubectl config view --raw"
        ) from None
    parts = urlsplit(kubeconfig.server)
    host, path = parts.hostname or "", f"{parts.path.rstrip('/')}/readyz"
    try:
        if parts.scheme == "https":
            connection: http.client.HTTPConnection = _TLSConnection(
                host, parts.port, kubeconfig.cluster.get("tls-server-name") or host, tls
            )
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=_READYZ_TIMEOUT_SECONDS)
        connection.request("GET", path)
        status = connection.getresponse().status
        connection.close()
    except (OSError, ValueError, http.client.HTTPException) as problem:
        raise pulumi.RunError(
            f"cannot reach the Kubernetes API server {kubeconfig.server} (from {kubeconfig.path}): {problem}\n"
            f"  If it is behind the SSH tunnel, open that first:  {SSH_TUNNEL}\n"
            "  Then check:  kubectl get --raw /readyz"
        ) from None
    if status >= 500:
        raise pulumi.RunError(
            f"the Kubernetes API server {kubeconfig.server} answers, but is not ready (HTTP {status}).\n"
            "  See what is not:  kubectl get --raw '/readyz?verbose'"
        )


class _TLSConnection(http.client.HTTPSConnection):
    """An HTTPS connection that checks the certificate against another name than the address (tls-server-name)."""

    def __init__(self, host: str, port: int | None, server_name: str, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=_READYZ_TIMEOUT_SECONDS, context=context)
        self._server_name, self._tls = server_name, context

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._server_name)


def _tls_context(cluster: Mapping[str, Any]) -> ssl.SSLContext:
    authority = "".join(str(cluster.get("certificate-authority-data") or "").split())
    pem = base64.b64decode(authority, validate=True).decode() if authority else None
    context = ssl.create_default_context(cadata=pem)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _read(paths: Sequence[str], source: str, context: str | None) -> Kubeconfig:
    files = [Path(path).expanduser().absolute() for path in paths]
    # As kubectl does: absent files of a list are passed over, the first file to say something wins.
    present = [file for file in files if file.exists()] if len(files) > 1 else files
    if not present:
        raise _wrong(source, os.pathsep.join(map(str, files)), "none of these files exists")
    documents = [_document(file, source) for file in present]
    joined = os.pathsep.join(map(str, present))
    name = context or next((d["current-context"] for d in documents if d.get("current-context")), None)
    if not isinstance(name, str):
        raise _wrong(source, joined, "has no current-context; set one with: pulumi config set kubeContext <context>")
    contexts = [entry for d in documents for entry in _named(d, "contexts")]
    chosen = _entry(contexts, name, "context")
    if chosen is None:
        known = ", ".join(sorted({entry["name"] for entry in contexts})) or "none"
        raise _wrong(source, joined, f"has no context '{name}' (it has: {known})")
    parts: dict[str, dict[str, Any]] = {}
    for kind in ("cluster", "user"):
        wanted = chosen.get(kind)
        if not isinstance(wanted, str):  # its value is not shown: with a wrong indent it is the user's credentials
            raise _wrong(source, joined, f"does not name a {kind} in its context '{name}'")
        entry = _entry([e for d in documents for e in _named(d, f"{kind}s")], wanted, kind)
        if entry is None:
            raise _wrong(source, joined, f"has no {kind} '{wanted}', which its context '{name}' names")
        parts[kind] = _inlined(entry, kind, joined, source)
    server = parts["cluster"].get("server")
    if not isinstance(server, str) or not _endpoint(server)[0]:
        raise _wrong(source, joined, f"has no usable server URL in its cluster '{chosen['cluster']}'")
    contents = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": chosen}],
        "clusters": [{"name": chosen["cluster"], "cluster": parts["cluster"]}],
        "users": [{"name": chosen["user"], "user": parts["user"]}],
    }
    return Kubeconfig(joined, server, Secret(yaml.safe_dump(contents, sort_keys=True)), parts["cluster"])


def _document(file: Path, source: str) -> dict[str, Any]:
    if not file.exists():
        raise _wrong(source, str(file), "does not exist")
    if not file.is_file():
        raise _wrong(source, str(file), "is not a file")
    try:
        value: object = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise _wrong(source, str(file), f"cannot be read: {problem.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        raise _wrong(source, str(file), "is not YAML") from None
    document = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if document.get("kind") != "Config" or not isinstance(document.get("clusters"), list):
        raise _wrong(source, str(file), "is not a kubeconfig (kind: Config, with clusters, contexts and users)")
    folder = file.parent
    for section in ("clusters", "users"):
        for entry in _named(document, section):
            body = cast("object", entry.get(section[:-1]))
            if isinstance(body, dict):
                fields = cast("dict[str, Any]", body)
                fields.update({n: str(folder / str(fields[n])) for n in _FILES if fields.get(n)})
    return document


def _named(document: Mapping[str, Any], section: str) -> list[dict[str, Any]]:
    entries: object = document.get(section)
    items = cast("list[object]", entries) if isinstance(entries, list) else []
    found = [cast("dict[str, Any]", e) for e in items if isinstance(e, dict)]
    return [entry for entry in found if isinstance(entry.get("name"), str)]


def _entry(entries: Sequence[Mapping[str, Any]], name: str, kind: str) -> dict[str, Any] | None:
    body: object = next((e.get(kind) for e in entries if e["name"] == name), None)
    return cast("dict[str, Any]", body) if isinstance(body, dict) else None


def _inlined(body: Mapping[str, Any], kind: str, where: str, source: str) -> dict[str, Any]:
    """The same entry with the files that it names read into it: the result holds on any machine.

    A user's path is not shown when it cannot be read: somebody may have put the key itself there.
    """
    result = dict(body)
    for name in _TEXTS:
        if not isinstance(result.get(name, ""), str | None):
            raise _wrong(source, where, f"has a {name} that is not text")
    for name in _FILES:
        path = result.pop(name, None)
        if path and not result.get(f"{name}-data"):
            try:
                result[f"{name}-data"] = base64.b64encode(Path(path).read_bytes()).decode()
            except (OSError, ValueError):
                shown = f": {path}" if kind == "cluster" else ""
                raise _wrong(source, where, f"names a {name} that cannot be read{shown}") from None
    if kind == "user" and (token_file := result.pop("tokenFile", None)) and not result.get("token"):
        try:
            result["token"] = Path(token_file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            raise _wrong(source, where, "names a tokenFile that cannot be read") from None
    return result


def _check_host(kubeconfig: Kubeconfig, known_hosts: Sequence[str]) -> None:
    host = _endpoint(kubeconfig.server)[0]
    if _is_loopback(host) or host in {CLUSTER_SERVICE_IP, *(_normal(known) for known in known_hosts)}:
        return
    raise pulumi.RunError(
        f"refusing to touch {kubeconfig.server} (from {kubeconfig.path}): it is not the Oceanid cluster.\n"
        f"  Known hosts: loopback, {CLUSTER_SERVICE_IP}, {', '.join(known_hosts)}.\n"
        f"  If this host is ours, allow it:  pulumi config set allowedApiHosts '[\"{host}\"]'"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _normal(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return host.lower().rstrip(".")


def _endpoint(server: str) -> tuple[str, int]:
    """Host and port of a server URL; an empty host if it has none, or has credentials, which messages would show."""
    try:
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            return "", 0
        return _normal(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return "", 0


def _wrong(source: str, where: str, what: str) -> pulumi.RunError:
    return pulumi.RunError(f"the kubeconfig {where} (from {source}) {what}")
