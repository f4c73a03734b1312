"""Finds the kubeconfig, has kubectl read it, and checks that it leads to the Oceanid cluster."""

import ipaddress
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.config.kubeconfig_path import EXAMPLE, KEY, VARIABLE, checked_paths
from oceanid_cluster.config.parsers import is_host, is_loopback
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.startup.processes import answer_of, run

CLUSTER_SERVICE_IP = "10.43.0.1"  # K3s's default address of the service `kubernetes`
# Or the operator's own preferences for kubectl change what its commands do (kubectl: pkg/kuberc).
NO_PREFERENCES = {"KUBERC": "off"}
VIEW = ("kubectl", "config", "view", "--raw", "-o", "json")
_TIMEOUT_SECONDS = 120  # that of Google's SDK asks the server for its version first, and logs in for that
_LOOPBACK = "loopback"
# Why a file cannot be read, in the words of the system.
_UNREADABLE = re.compile(
    r"(permission denied|is a directory|not a directory|no such file or directory|file name too long"
    r"|too many levels of symbolic links|input/output error)$"
)
# What kubectl says on standard error, and what that means; the first that fits. Its own words may hold a secret.
_LOADING = "error loading config file"
_REASONS = (
    ("duplicate name", "has two entries of one name"),
    ("current-context must exist", "has no current-context; name one: pulumi config set kubeContext <context>"),
    (_LOADING, "is not a kubeconfig (YAML or JSON of kind Config)"),
)


@dataclass(frozen=True)
class Kubeconfig:
    """A checked kubeconfig.

    ``path`` is the absolute path it came from (several joined as in KUBECONFIG), ``context`` the context in use,
    ``server`` the API server's URL, ``contents`` a kubeconfig of that context alone, which means the same in every
    folder, ``endpoint`` what makes two servers the same, and ``login`` the program that logs in, if there is one.
    """

    path: str
    context: str
    server: str
    contents: Secret
    endpoint: tuple[str, ...]
    login: str = ""


# For what asks no cluster.
NO_KUBECONFIG = Kubeconfig(os.devnull, "", "https://127.0.0.1:1", Secret("none"), ())


def load_kubeconfig(
    config_path: str | None,
    environ: Mapping[str, str],
    context: str | None,
    known_hosts: Sequence[str] | None,
    allowed: Sequence[str] = (),
) -> Kubeconfig:
    """The kubeconfig named by the key ``kubeconfigPath`` or by the variable KUBECONFIG.

    ``context`` is the key ``kubeContext``; ``known_hosts`` the addresses and names at which our API server answers,
    beside loopback and the cluster's service address (None: any), ``allowed`` those of the key ``allowedApiHosts``.
    With both sources the variable wins, once they lead to the same server. Raises StartUpError saying what is wrong,
    where, and how to fix it. Nothing is contacted.
    """
    sources = {
        VARIABLE: checked_paths(environ.get("KUBECONFIG", ""), VARIABLE),
        KEY: checked_paths(config_path or "", KEY),
    }
    found = [_read(paths, source, environ, context) for source, paths in sources.items() if paths]
    if not found:
        raise StartUpError(
            f"no kubeconfig: neither the key kubeconfigPath nor the variable KUBECONFIG is set.\n{EXAMPLE}"
        )
    if len(found) == 2 and found[0].endpoint != found[1].endpoint:
        raise StartUpError(
            "KUBECONFIG and kubeconfigPath lead to different API servers:\n"
            f"  KUBECONFIG      {found[0].path} -> {found[0].server}\n"
            f"  kubeconfigPath  {found[1].path} -> {found[1].server}\n"
            "  Keep one: unset KUBECONFIG, or run: pulumi config rm kubeconfigPath"
        )
    if known_hosts is not None:
        _check_host(found[0], known_hosts, allowed)
    return found[0]


def _read(joined: str, source: str, environ: Mapping[str, str], context: str | None) -> Kubeconfig:
    chosen = ["--context", context] if context else []
    result = run(
        *VIEW, "--minify", "--flatten", *chosen, variables={**environ, **_only_this(joined)},
        timeout_seconds=_TIMEOUT_SECONDS,
    )  # fmt: skip
    if result.returncode:
        raise _wrong(source, joined, _reason(result.stderr, joined))
    with answer_of("kubectl"):
        view: dict[str, Any] = json.loads(result.stdout)
        body: dict[str, Any] = view["contexts"][0]["context"] or {}
    name, named = str(view.get("current-context") or ""), body.get("cluster")
    if not named:
        raise _wrong(source, joined, f"does not name a cluster in its context '{name}'")
    # A context without a user is one of nobody in particular: a proxy may know who that is.
    cluster, user = _only(view, "cluster"), _only(view, "user")
    try:
        url = _server(cluster)
    except ValueError as problem:
        raise _wrong(source, joined, f"has no usable server URL in its cluster '{named}'{problem}") from None
    changed = _make_absolute(user, str(body.get("user") or ""), joined)
    contents = json.dumps(view, indent=4) if changed else result.stdout
    login: Mapping[str, Any] = user.get("exec") or {}
    program = str(login.get("command") or "")
    return Kubeconfig(joined, name, url.geturl(), Secret(contents), _endpoint(url, cluster), program)


def read_all(paths: str) -> dict[str, Any] | None:
    """Kubeconfigs with all their contexts, as kubectl reads them; None when it does not take them for kubeconfigs.

    Raises CommandError when kubectl is missing, or gives no JSON.
    """
    result = run(*VIEW, variables=_only_this(paths))
    with answer_of("kubectl"):
        return None if result.returncode else json.loads(result.stdout)


def _make_absolute(user: dict[str, Any], name: str, joined: str) -> bool:
    """Make the paths of a user mean the same in every folder, and say whether one did not; certificates are inlined.

    A path is relative to the folder of its file, the command of a login program only if it has a separator (client-go:
    tools/clientcmd/loader.go, ResolveLocalPaths and GetAuthInfoFileReferences).
    """
    login: dict[str, Any] = user.get("exec") or {}
    paths = [(user, "tokenFile")] + ([(login, "command")] if "/" in str(login.get("command")) else [])
    relative = [(place, key) for place, key in paths if place.get(key) and not str(place[key]).startswith("/")]
    if not relative:
        return False
    folder = Path(_file_of(name, joined)).parent
    for place, key in relative:
        place[key] = os.path.normpath(folder / place[key])
    return True


def _file_of(user: str, joined: str) -> str:
    """The file that defines a user: of several, the first takes precedence (client-go: loader.go, Load)."""
    files = joined.split(os.pathsep)
    for file in files[:-1]:
        entries: list[dict[str, Any]] = (read_all(file) or {}).get("users") or []
        if any(entry["name"] == user for entry in entries):
            return file
    return files[-1]


def _only_this(paths: str) -> dict[str, str]:
    return {**NO_PREFERENCES, "KUBECONFIG": paths}


def _endpoint(url: SplitResult, cluster: Mapping[str, Any]) -> tuple[str, ...]:
    """What makes an API server: scheme, host, port, path, and the name that its certificate must have."""
    host, port = _normal(url.hostname or ""), url.port or (443 if url.scheme == "https" else 80)
    host = _LOOPBACK if is_loopback(host) else host
    return (url.scheme, host, str(port), url.path.rstrip("/"), str(cluster.get("tls-server-name") or ""))


def _reason(said: str, joined: str) -> str:
    """What a refusal of kubectl means, in words that hold nothing of the file but names."""
    absent = re.search(r"cannot locate (context|cluster|user) (.*)", said)
    if absent and absent[1] == "context":
        names = run("kubectl", "config", "get-contexts", "-o", "name", variables=_only_this(joined))
        return f"has no context '{absent[2]}' (it has: {', '.join(sorted(names.stdout.splitlines())) or 'none'})"
    if absent:
        return f"has no {absent[1]} '{absent[2]}', which its context names"
    why = _UNREADABLE.search(said.rstrip())
    if why and _LOADING not in said:
        problem = "does not exist" if why[1] == "no such file or directory" else f"cannot be read: {why[1]}"
        return f"names a certificate or key file that {problem}"
    if why:
        return f"cannot be read: {why[1]}"
    return next(
        (reason for words, reason in _REASONS if words in said),
        "is refused by kubectl; see why: kubectl config view --minify --flatten > /dev/null",
    )


def _only(view: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The one cluster or user that a minified kubeconfig holds; empty when it holds none, or nothing of it."""
    entries: list[dict[str, Any]] = view[f"{kind}s"] or []
    found: list[dict[str, Any]] = [entry[kind] for entry in entries if entry[kind]]
    return found[0] if found else {}


def _server(cluster: Mapping[str, Any]) -> SplitResult:
    """The URL of a cluster's server, as client-go reads it (rest/url_utils.go, DefaultServerURL; rest/client.go).

    Raises ValueError when there is none, or when it holds credentials, which messages would show.
    """
    server = str(cluster.get("server") or "")
    if server and "://" not in server:
        raise ValueError(": it has no scheme, and kubectl takes that for http; write https:// before it")
    try:
        url = urlsplit(server)
        host, port = url.hostname, url.port
    except ValueError:
        raise ValueError from None
    if url.username is not None or url.password is not None:
        raise ValueError(": it holds credentials, which messages would show; they belong in its user")
    if url.scheme not in ("http", "https") or not is_host(host or "") or port == 0 or re.search(r"[\s\\]", server):
        raise ValueError
    return url._replace(query="", fragment="")


def _check_host(kubeconfig: Kubeconfig, known_hosts: Sequence[str], allowed: Sequence[str]) -> None:
    host = kubeconfig.endpoint[1]
    known = [*known_hosts, *allowed]
    if host in {_LOOPBACK, CLUSTER_SERVICE_IP, *(_normal(one) for one in known)}:
        return
    raise StartUpError(
        f"refusing to touch {kubeconfig.server} (from {kubeconfig.path}): it is not the Oceanid cluster.\n"
        f"  Known hosts: loopback, {CLUSTER_SERVICE_IP}, {', '.join(known)}.\n"
        f"  If this host is ours, allow it:  pulumi config set allowedApiHosts '{json.dumps([*allowed, host])}'"
    )


def _normal(host: str) -> str:
    """A host name or an address in one of its spellings: an IPv4 address inside of an IPv6 address is that address."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower().rstrip(".")
    return str(address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else str(address)


def _wrong(source: str, where: str, what: str) -> StartUpError:
    return StartUpError(f"the kubeconfig {where} (from {source}) {what}")
