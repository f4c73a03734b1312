"""Cloudflare Tunnel ingress rules: one list, checked once, written wherever cloudflared takes its rules from."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

# Where the pods see the cluster's CA; mounted there from the ConfigMap kube-root-ca.crt, without an API token.
CLUSTER_CA_PATH = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
API_SERVER_NAME = "kubernetes.default.svc.cluster.local"

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOSTNAME = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})+")
_STATUS = re.compile(r"http_status:[1-9][0-9]{2}")
_BARE_SERVICES = ("hello_world", "socks-proxy", "bastion")


@dataclass(frozen=True)
class IngressRule:
    """One rule: requests for ``hostname`` (and ``path``, a regular expression) go to ``service``."""

    service: str
    hostname: str | None = None
    path: str | None = None
    no_tls_verify: bool = False
    ca_pool: str | None = None
    origin_server_name: str | None = None

    def document(self) -> dict[str, Any]:
        """The rule as cloudflared's configuration file and Cloudflare's API write it."""
        origin: dict[str, Any] = {}
        if self.no_tls_verify:
            origin["noTLSVerify"] = True
        if self.ca_pool:
            origin["caPool"] = self.ca_pool
        if self.origin_server_name:
            origin["originServerName"] = self.origin_server_name
        rule = {"hostname": self.hostname, "path": self.path, "service": self.service, "originRequest": origin}
        return {name: value for name, value in rule.items() if value}


CATCH_ALL = IngressRule("http_status:404")


def api_server_rule(hostname: str, service: str) -> IngressRule:
    """The rule for the Kubernetes API, whose certificate is checked against the cluster's own CA."""
    if urlsplit(service).scheme != "https":
        return IngressRule(service, hostname)
    return IngressRule(service, hostname, ca_pool=CLUSTER_CA_PATH, origin_server_name=API_SERVER_NAME)


def check_rules(rules: Sequence[IngressRule]) -> list[IngressRule]:
    """Check a whole list as cloudflared would (ingress/ingress.go) and close it with the 404 rule.

    Raises ValueError naming the first rule that is wrong: a duplicate, or a catch-all before the end.
    """
    seen: set[tuple[str | None, str | None]] = set()
    for rule in rules:
        if rule.hostname is None:
            raise ValueError("a rule without a hostname would catch everything; the last rule (404) is added for you")
        if (rule.hostname, rule.path) in seen:
            where = f"'{rule.hostname}'" + (f" with path '{rule.path}'" if rule.path else "")
            raise ValueError(f"{where} has two rules; the second would never be used")
        seen.add((rule.hostname, rule.path))
    return [*rules, CATCH_ALL]


def check_hostname(text: str, *, wildcard: bool = False) -> str:
    """A DNS name as cloudflared takes it, in lower case; ``*.`` before it only with ``wildcard``. Raises ValueError."""
    name = text.strip().lower()
    if ":" in name:
        raise ValueError(f"'{text}' has a port or a scheme; a hostname has neither")
    if "*" in name[1:] or (name.startswith("*") and not name.startswith("*.")):
        raise ValueError(f"'{text}' has a '*' elsewhere than as its whole first label")
    if len(name) > 253 or not _HOSTNAME.fullmatch(name) or (name.startswith("*") and not wildcard):
        raise ValueError(f"'{text}' is not a host name such as app.example.org")
    return name


def check_service(text: str) -> str:
    """An origin as cloudflared takes it: a URL without a path, or a special form. Raises ValueError."""
    service = text.strip()
    if _STATUS.fullmatch(service) or service in _BARE_SERVICES or service.startswith(("unix:/", "unix+tls:/")):
        return service
    try:
        parts = urlsplit(service)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"'{text}' has a host or port that cannot be read") from None
    if parts.path or parts.query or parts.fragment:
        raise ValueError(f"'{text}' has a path; cloudflared sends the request's own path to the service")
    if not parts.scheme or not host or parts.username is not None or any(ch.isspace() for ch in service):
        raise ValueError(f"'{text}' is not a service such as http://app.namespace.svc:8080 or http_status:404")
    return service


def parse_rules(text: str) -> tuple[IngressRule, ...]:
    """Read ``extraIngress``: a JSON list of ``{hostname, service, path?, noTLSVerify?}``. Raises ValueError."""
    form = "a list of {hostname, service, path?, noTLSVerify?}"
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"is not {form}") from None
    if not isinstance(value, list):
        raise ValueError(f"is not {form}")
    return tuple(_rule(item, number) for number, item in enumerate(cast("list[object]", value), start=1))


def _rule(item: object, number: int) -> IngressRule:
    where = f"rule {number}"
    if not isinstance(item, dict):
        raise ValueError(f"{where} is not an object with hostname and service")
    fields = cast("dict[str, object]", item)
    unknown = sorted(fields.keys() - {"hostname", "service", "path", "noTLSVerify"})
    if unknown:
        raise ValueError(f"{where} has the unknown field '{unknown[0]}'")
    hostname, service = fields.get("hostname"), fields.get("service")
    path, no_tls_verify = fields.get("path"), fields.get("noTLSVerify", False)
    if not isinstance(hostname, str) or hostname.strip() in ("", "*"):
        raise ValueError(f"{where} has no hostname, so it would catch everything; the 404 rule is added for you")
    if not isinstance(service, str):
        raise ValueError(f"{where} has no service")
    if not isinstance(no_tls_verify, bool):
        raise ValueError(f"{where} has a noTLSVerify that is neither true nor false")
    if path is not None and not isinstance(path, str):
        raise ValueError(f"{where} has a path that is not text")
    try:
        if path:
            re.compile(path)
        return IngressRule(check_service(service), check_hostname(hostname, wildcard=True), path or None, no_tls_verify)
    except re.error:
        raise ValueError(f"{where} has a path that is not a regular expression") from None
    except ValueError as problem:
        raise ValueError(f"{where}: {problem}") from None
