"""Finds the kubeconfig, has kubectl read it, and checks that it leads to the Oceanid cluster."""

import base64
import ipaddress
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import pulumi

from oceanid_cluster.commands import CommandError, run
from oceanid_cluster.secret import Secret

CLUSTER_SERVICE_IP = "10.43.0.1"  # K3s's default address of the service `kubernetes`
_VARIABLE, _KEY = "the variable KUBECONFIG", "the key kubeconfigPath"
_CONTENT = re.compile(r"[\n\r\0]|apiVersion|current-context|clusters|BEGIN |client-key|^\s*[{\[]")
_LOOPBACK = "loopback"
_COMPONENT_CHARACTERS, _PATH_CHARACTERS, _TOKEN_CHARACTERS = 64, 255, 20
# What kubectl says on standard error, and what that means; the first that fits. Its own words may hold a secret.
_REASONS = (
    ("permission denied", "cannot be read: permission denied"),
    ("is a directory", "is not a file"),
    ("current-context must exist", "has no current-context; name one: pulumi config set kubeContext <context>"),
    ("error loading config file", "is not a kubeconfig (YAML or JSON of kind Config)"),
    ("no such file or directory", "names a certificate or key file that does not exist"),
)


@dataclass(frozen=True)
class Kubeconfig:
    """A checked kubeconfig.

    ``path`` is the absolute path it came from (several joined as in KUBECONFIG), ``context`` the context in use,
    ``server`` the API server's URL, and ``contents`` a kubeconfig of that context alone with its certificates inlined.
    """

    path: str
    context: str
    server: str
    contents: Secret
    endpoint: tuple[str, ...]


def load_kubeconfig(
    config_path: str | None, environ: Mapping[str, str], context: str | None, known_hosts: Sequence[str] | None
) -> Kubeconfig:
    """The kubeconfig named by the key ``kubeconfigPath`` or by the variable KUBECONFIG.

    ``context`` is the key ``kubeContext``; ``known_hosts`` the addresses and names at which our API server answers,
    beside loopback and the cluster's service address (None: any). With both sources the variable wins, once they lead
    to the same server. Raises RunError saying what is wrong, where, and how to fix it. Nothing is contacted.
    """
    variable = environ.get("KUBECONFIG", "")
    found = [
        _read(paths, source, environ, context)
        for paths, source in (
            (_checked_paths(variable, _VARIABLE), _VARIABLE),
            (_checked_paths(config_path or "", _KEY)[:1], _KEY),
        )
        if paths
    ]
    if not found:
        raise pulumi.RunError(
            "no kubeconfig: neither the key kubeconfigPath nor the variable KUBECONFIG is set.\n"
            "  export KUBECONFIG=~/.kube/k3s-config.yaml        (or: pulumi config set kubeconfigPath <path>)"
        )
    if len(found) == 2 and found[0].endpoint != found[1].endpoint:
        raise pulumi.RunError(
            "KUBECONFIG and kubeconfigPath lead to different API servers:\n"
            f"  KUBECONFIG      {found[0].path} -> {found[0].server}\n"
            f"  kubeconfigPath  {found[1].path} -> {found[1].server}\n"
            "  Keep one: unset KUBECONFIG, or run: pulumi config rm kubeconfigPath"
        )
    if known_hosts is not None:
        _check_host(found[0], known_hosts)
    return found[0]


def holds_content(value: str) -> bool:
    """Whether a value that should be a path is a kubeconfig itself: YAML, JSON, or either in base64."""
    if _CONTENT.search(value):
        return True
    try:
        return bool(_CONTENT.search(base64.b64decode(value, validate=True).decode()))
    except ValueError:
        return False


def _checked_paths(value: str, source: str) -> list[Path]:
    """The absolute paths of a source: a list for the variable, one for the key. Raises RunError for anything else."""
    if not value.strip():
        return []
    if holds_content(value):
        raise pulumi.RunError(
            f"{source} holds the content of a kubeconfig; it takes the path of a file.\n"
            "  Write the content to a file that only you can read (umask 077), and give its path"
        )
    given = [value.strip()] if source == _KEY else [path for path in value.split(os.pathsep) if path]
    if not all(map(_looks_like_a_path, given)):
        raise pulumi.RunError(
            f"{source} is not the path of a kubeconfig; its value is not shown, for it may be a secret.\n"
            "  export KUBECONFIG=~/.kube/k3s-config.yaml        (or: pulumi config set kubeconfigPath <path>)"
        )
    try:  # kubectl takes KUBECONFIG as it is; a shell would have expanded it
        return [(Path(path).expanduser() if source == _KEY else Path(path)).absolute() for path in given]
    except RuntimeError:
        raise pulumi.RunError(
            f"{source} names the home of an unknown user: {given[0]}\n  pulumi config set kubeconfigPath <path>"
        ) from None


def _looks_like_a_path(value: str) -> bool:
    """Whether a value may be shown as a path: somebody may have put a token there."""
    parts = value.split("/")
    is_short = len(value) <= _PATH_CHARACTERS and all(len(part) <= _COMPONENT_CHARACTERS for part in parts)
    return is_short and value.isprintable() and (len(parts) > 1 or "." in value or len(value) < _TOKEN_CHARACTERS)


def _read(files: Sequence[Path], source: str, environ: Mapping[str, str], context: str | None) -> Kubeconfig:
    joined = os.pathsep.join(map(str, files))
    if not any(map(_exists, files)):
        missing = "does not exist" if len(files) == 1 else "does not exist: none of these files does"
        raise _wrong(source, joined, missing)
    chosen = ["--context", context] if context else []
    command = ("kubectl", "config", "view", "--minify", "--flatten", "--raw", "-o", "json", *chosen)
    try:
        result = run(*command, variables={**environ, "KUBECONFIG": joined})
    except CommandError as problem:
        raise pulumi.RunError(f"{problem}; it is needed to read the kubeconfig {joined}") from None
    if result.returncode:
        raise _wrong(source, joined, _reason(result.stderr, joined))
    view: dict[str, Any] = json.loads(result.stdout)
    name: str = view.get("current-context") or ""
    body: dict[str, Any] = view["contexts"][0]["context"] or {}
    parts: dict[str, dict[str, Any]] = {}
    for kind in ("cluster", "user"):
        if not body.get(kind):
            raise _wrong(source, joined, f"does not name a {kind} in its context '{name}'")
        parts[kind] = next(e[kind] for e in view[f"{kind}s"])  # kubectl refuses a context that names an absent one
    url = _server(parts["cluster"], parts["user"])
    if url is None:
        raise _wrong(source, joined, f"has no usable server URL in its cluster '{body['cluster']}'")
    return Kubeconfig(joined, name, url.geturl(), Secret(result.stdout), _endpoint(url, parts["cluster"]))


def _endpoint(url: SplitResult, cluster: Mapping[str, Any]) -> tuple[str, ...]:
    """What makes an API server: scheme, host, port, path, and the name that its certificate must have."""
    host, port = _normal(url.hostname or ""), url.port or (443 if url.scheme == "https" else 80)
    host = _LOOPBACK if _is_loopback(host) else host
    return (url.scheme, host, str(port), url.path.rstrip("/"), str(cluster.get("tls-server-name") or ""))


def _exists(path: Path) -> bool:
    """Whether something is there, as kubectl sees it: what it may not look at is no absent file."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return True


def _reason(said: str, joined: str) -> str:
    """What a refusal of kubectl means, in words that hold nothing of the file but names."""
    absent = re.search(r"cannot locate (context|cluster|user) (.*)", said)
    if absent and absent[1] == "context":
        names = run("kubectl", "config", "get-contexts", "-o", "name", variables={"KUBECONFIG": joined})
        return f"has no context '{absent[2]}' (it has: {', '.join(sorted(names.stdout.split())) or 'none'})"
    if absent:
        return f"has no {absent[1]} '{absent[2]}', which its context names"
    return next(
        (reason for words, reason in _REASONS if words in said),
        "is refused by kubectl; see why: kubectl config view --minify --flatten > /dev/null",
    )


def _server(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> SplitResult | None:
    """The URL of a cluster's server as client-go reads it (rest/url_utils.go, DefaultServerURL); None when it has none.

    A URL with credentials is none either: messages would show them.
    """
    server = str(cluster.get("server") or "")
    if re.search(r"\s", server):
        return None
    if "://" not in server:
        secure = ("certificate-authority-data", "insecure-skip-tls-verify"), ("client-certificate-data",)
        tls = any(map(cluster.get, secure[0])) or any(map(user.get, secure[1]))
        server = f"{'https' if tls else 'http'}://{server}"
    try:
        url = urlsplit(server)
        usable = url.scheme in ("http", "https") and url.hostname and url.username is None and url.port != 0
    except ValueError:
        return None
    return url if usable else None


def _check_host(kubeconfig: Kubeconfig, known_hosts: Sequence[str]) -> None:
    host = kubeconfig.endpoint[1]
    if host in {_LOOPBACK, CLUSTER_SERVICE_IP, *(_normal(known) for known in known_hosts)}:
        return
    raise pulumi.RunError(
        f"refusing to touch {kubeconfig.server} (from {kubeconfig.path}): it is not the Oceanid cluster.\n"
        f"  Known hosts: loopback, {CLUSTER_SERVICE_IP}, {', '.join(known_hosts)}.\n"
        f"  If this host is ours, allow it:  pulumi config set allowedApiHosts '[\"{host}\"]'"
    )


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _normal(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return host.lower().rstrip(".")


def _wrong(source: str, where: str, what: str) -> pulumi.RunError:
    return pulumi.RunError(f"the kubeconfig {where} (from {source}) {what}")
