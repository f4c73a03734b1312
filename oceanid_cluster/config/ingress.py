"""Cloudflare Tunnel ingress rules: one list, checked once, written wherever cloudflared takes its rules from.

cloudflared's own validation is the contract (ingress/ingress.go, validateIngress). What it accepts although it can
never work (a second rule for a host, a scheme that is misspelt) is refused as well: nobody would see it fail.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast
from urllib.parse import urlsplit

from oceanid_cluster.config.entries import fields_of, json_list, parse_entries, parse_part
from oceanid_cluster.config.go_regexp import check_go_regexp
from oceanid_cluster.config.origin_request import CLUSTER_CA_PATH, parse_origin_request
from oceanid_cluster.config.parsers import HOST_LABEL, check_not_the_pod, is_host
from oceanid_cluster.config.peers import Peer

# In every API server's certificate, whatever the cluster's domain is.
API_SERVER_NAME = "kubernetes.default.svc"

_HOSTNAME = re.compile(rf"(\*\.)?{HOST_LABEL}(\.{HOST_LABEL})+")
_BARE_SERVICES = ("hello_world", "hello-world", "socks-proxy", "bastion")
_SCHEMES = ("http", "https", "ws", "wss", "tcp", "ssh", "rdp", "smb")
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443, "ssh": 22, "rdp": 3389, "smb": 445}
_SOCKET = re.compile(r"unix(\+tls)?:/*[^/\s]\S*")
_STATUS = re.compile(r"http_status:\+?0*([1-9][0-9]{2})", re.ASCII)
_FIELDS = ("hostname", "service", "path", "noTLSVerify", "originRequest")


@dataclass(frozen=True)
class Owner:
    """Whose rule it is, for a rule that this program needs itself.

    ``title`` is how messages call the rule, ``key`` the configuration key of its host name, ``pods`` those that serve
    it, if it leads to pods of ours. What is ``public`` checks its callers itself.
    """

    title: str
    key: str
    pods: Peer | None = None
    public: bool = False


@dataclass(frozen=True)
class IngressRule:
    """One rule: requests for ``hostname`` (None: every host) and ``path`` (a Go regular expression) go to ``service``.

    ``origin`` holds cloudflared's ``originRequest`` options by their own names. A rule of ``extraIngress`` has no
    ``owner``.
    """

    service: str
    hostname: str | None = None
    path: str | None = None
    origin: Mapping[str, Any] = field(default_factory=dict[str, Any])
    owner: Owner | None = None

    def document(self) -> dict[str, Any]:
        """The rule as cloudflared's configuration file and Cloudflare's API write it."""
        rule = {
            "hostname": self.hostname, "path": self.path, "service": self.service, "originRequest": dict(self.origin),
        }  # fmt: skip
        return {name: value for name, value in rule.items() if value}

    def behind_access(self, team: str, audience: str) -> "IngressRule":
        """The rule, with which cloudflared refuses what Access did not let through (ingress/middleware)."""
        access = {"required": True, "teamName": team, "audTag": [audience]}
        return replace(self, origin={**self.origin, "access": access})

    @property
    def requires_access(self) -> bool:
        """Whether cloudflared refuses what Access did not let through."""
        return bool(self.origin.get("access", {}).get("required"))

    def hiding(self) -> Iterator[tuple[str | None, str | None]]:
        """Host and path of each rule that would get all of its requests (ingress/ingress.go, matchHost)."""
        labels = self.hostname.split(".") if self.hostname else []
        wildcards = [".".join(["*", *labels[number:]]) for number in range(1, len(labels))]
        for host in dict.fromkeys((None, self.hostname, *wildcards)):
            yield host, None
            yield host, self.path

    def __str__(self) -> str:
        where = f"'{self.hostname or '*'}'"
        return f"{where} with path '{self.path}'" if self.path else where


CATCH_ALL = IngressRule("http_status:404")


def api_server_rule(hostname: str, service: str, owner: Owner | None = None) -> IngressRule:
    """The rule for the Kubernetes API, whose certificate is checked against the cluster's own CA."""
    verified = {"caPool": CLUSTER_CA_PATH, "originServerName": API_SERVER_NAME}
    return IngressRule(service, hostname, origin=verified if urlsplit(service).scheme == "https" else {}, owner=owner)


def endpoint(service: str) -> tuple[str, int] | None:
    """Host and port of a service; None for one that is not a URL. Ports are those of ingress/origin_service.go."""
    parts = urlsplit(service)
    port = parts.port or _PORTS.get(parts.scheme)
    return (parts.hostname, port) if parts.hostname and port else None


def dead_rules(rules: Sequence[tuple[str, IngressRule]]) -> Iterator[tuple[int, str]]:
    """The index of each rule of a list that an earlier one hides, and what to say of it.

    ``rules`` are pairs of a name and the rule, without the last one, which takes the rest. The earlier one has the same
    host, or a wildcard for it, and the same path or none. Paths that differ are not compared: one regular expression
    may match all that another one does.
    """
    first: dict[tuple[str | None, str | None], int] = {}  # by host and path, the first rule that has them
    for index, (name, rule) in enumerate(rules):
        hiding = [first[one] for one in rule.hiding() if one in first]
        first.setdefault((rule.hostname, rule.path), index)
        if hiding:
            earlier_name, earlier = rules[min(hiding)]
            if (earlier.hostname, earlier.path) == (rule.hostname, rule.path):
                yield index, f"{name} would never be used: {rule} has two rules, and {earlier_name} comes first"
            else:
                yield index, f"{name} would never be used: {earlier_name} catches its requests first"


def check_hostname(text: str, *, wildcard: bool = False) -> str:
    """A DNS name in the form in which requests carry it; ``*.`` before it only with ``wildcard``.

    Lower case, without the dot at the end, and in punycode: cloudflared compares byte by byte (ingress/ingress.go,
    matchHost, and validateHostname for ports and wildcards). Raises ValueError.
    """
    name = text.strip().lower().removesuffix(".")
    if not name.isascii():
        name = _punycode(name)
    if len(name) > 253 or not _HOSTNAME.fullmatch(name) or (name.startswith("*") and not wildcard):
        example = "app.example.org, or *.example.org for all names under it" if wildcard else "app.example.org"
        raise ValueError(f"is not a host name alone, such as {example}")
    return name


def _punycode(name: str) -> str:
    """A name of other letters as DNS writes it. Raises ValueError where versions of IDNA differ."""
    try:
        written = name.encode("idna")
        if written.decode("idna") == unicodedata.normalize("NFC", name):
            return written.decode()
    except UnicodeError:
        pass
    raise ValueError("is not a host name in letters of ASCII; write it in punycode (xn--…)")


def check_service(text: str) -> str:
    """An origin as cloudflared takes it: a URL without a path, or a special form. Raises ValueError.

    Form, host and path are validateIngress's (ingress/ingress.go). cloudflared takes another scheme as raw TCP, drops
    a user name and a query, and makes up the port of tcp (ingress/origin_service.go, newTCPOverWSService).
    """
    service = text.strip()
    if service in _BARE_SERVICES or _SOCKET.fullmatch(service):
        return service
    if code := _STATUS.fullmatch(service):
        return f"http_status:{code[1]}"
    try:
        parts = urlsplit(service)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("has a host or port that cannot be read") from None
    if parts.scheme not in _SCHEMES or not host:
        raise ValueError(
            f"is not a service such as http://app.namespace.svc:8080 (or {', '.join(_SCHEMES[1:])}, where tcp stands"
            f" for any other protocol), unix:/run/app.sock, http_status:404, {', '.join(_BARE_SERVICES)}"
        )
    if service != f"{service.partition(':')[0]}://{parts.netloc}" or parts.username is not None:
        raise ValueError(
            "has more than a scheme, a host and a port: cloudflared sends the path and query of the request, and no"
            " user name"
        )
    if not is_host(host):
        raise ValueError("has a host that is neither a name nor an address")
    check_not_the_pod(host)
    if parts.scheme == "tcp" and port is None:
        raise ValueError("has no port, and cloudflared would make one up")
    return service


def parse_rules(text: str) -> tuple[IngressRule, ...]:
    """Read ``extraIngress``: a JSON list of ``{hostname, service, path?, noTLSVerify?, originRequest?}``.

    Raises ValueError that names every wrong rule, by its number and hostname.
    """
    given = json_list(text, "a list of {hostname, service, path?, noTLSVerify?, originRequest?}")
    named = {rule_name(number, _given_hostname(item)): item for number, item in enumerate(given, start=1)}
    rules = parse_entries(named, _rule, lambda rules: (problem for _, problem in dead_rules([*rules.items()])))
    return tuple(rules.values())


def rule_name(number: int, hostname: object) -> str:
    """How messages call a rule of ``extraIngress``."""
    return f"rule {number} ('{hostname}')" if isinstance(hostname, str) and hostname.strip() else f"rule {number}"


def _given_hostname(item: object) -> object:
    return cast("dict[str, object]", item).get("hostname") if isinstance(item, dict) else None


def _rule(item: object) -> IngressRule:
    given = fields_of(item, "hostname and service", _FIELDS)
    service, path = given.get("service"), given.get("path") or None
    if not isinstance(service, str):
        raise ValueError("has no service")
    if path is not None and not isinstance(path, str):
        raise ValueError("has a path that is not text")
    hostname = _rule_hostname(given.get("hostname"), path)
    if path:
        parse_part("a path", check_go_regexp, path)
    origin = parse_origin_request(given.get("originRequest"))
    if "noTLSVerify" in given:
        short = given["noTLSVerify"]
        if not isinstance(short, bool):
            raise ValueError("has a noTLSVerify that is neither true nor false")
        if origin.get("noTLSVerify", short) is not short:
            raise ValueError("has two values for noTLSVerify, its own and that of originRequest")
        if short:
            origin["noTLSVerify"] = True
    if origin.get("bastionMode") and service.strip() != "bastion":
        raise ValueError("has bastionMode, with which cloudflared ignores the service; write bastion as its service")
    return IngressRule(parse_part("a service", check_service, service), hostname, path, origin)


def _rule_hostname(value: object, path: str | None) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError("has a hostname that is not text")
    if value is None or value.strip() in ("", "*"):
        if not path:
            raise ValueError("has no hostname, so it would catch everything; the 404 rule is added for you")
        return None
    return parse_part("a hostname", lambda name: check_hostname(name, wildcard=True), value)
