"""How cloudflared talks to an origin: the options of ``originRequest``, checked, and both ways to write them."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar, cast

from oceanid_cluster.config import parsers
from oceanid_cluster.config.entries import fields_of, parse_part

T = TypeVar("T")

# Where the pods see the cluster's CA; mounted there from the ConfigMap kube-root-ca.crt, without an API token.
CLUSTER_CA_PATH = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"

# Go's time.ParseDuration, in seconds.
_UNITS = {"h": "3600", "m": "60", "s": "1", "ms": "1e-3", "us": "1e-6", "µs": "1e-6", "ns": "1e-9"}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ms|us|µs|ns|h|m|s)", re.ASCII)
_MAX_SECONDS = 2**63 // 10**9


def parse_origin_request(value: object) -> dict[str, Any]:
    """Check the options of one rule (config/configuration.go of cloudflared, OriginRequestConfig).

    A whole number given for a duration means seconds, as in Cloudflare's API; it becomes ``"30s"``, as in the file.
    Raises ValueError naming the option.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("has an originRequest that is not an object of options")
    options: dict[str, Any] = {}
    for name, given in cast("dict[str, object]", value).items():
        if given is None:
            continue
        if name not in _OPTIONS:
            raise ValueError(f"has the unknown originRequest option '{name}'; cloudflared knows {', '.join(_OPTIONS)}")
        options[name] = parse_part(f"an originRequest.{name}", _OPTIONS[name][0], given)
    return {name: option for name, option in options.items() if option != ""}  # an empty text is cloudflared's default


def remote_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as Cloudflare's Pulumi provider takes them: snake_case, durations in whole seconds, rounded up.

    What Cloudflare's API has no field for is left out.
    """
    remote: dict[str, Any] = {}
    for name, value in options.items():
        check, remote_name = _OPTIONS[name]
        if remote_name:
            remote[remote_name] = math.ceil(seconds(value)) if check is _duration else value
    if access := options.get("access"):
        remote["access"] = {
            "required": access["required"], "team_name": access["teamName"], "aud_tags": access["audTag"],
        }  # fmt: skip
    return remote


def seconds(text: str) -> Decimal:
    """The seconds of a Go duration such as ``1m30s``. Raises ValueError."""
    parts = _PART.findall(text)
    if text == "0":
        return Decimal(0)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("is not a duration such as 30s or 1m30s")
    total = sum((Decimal(number) * Decimal(_UNITS[unit]) for number, unit in parts), Decimal(0))
    if total > _MAX_SECONDS:
        raise ValueError("is longer than Go can count")
    return total


def _duration(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_SECONDS:
        return f"{value}s"
    if not isinstance(value, str):
        raise ValueError("is not a duration such as 30s")
    seconds(value)
    return value


def _of_kind(kind: type[T], otherwise: str) -> Callable[[object], T]:
    def check(value: object) -> T:
        if type(value) is not kind:  # to Python, true is a number
            raise ValueError(otherwise)
        return value

    return check


_boolean = _of_kind(bool, "is neither true nor false")
_list: Callable[[object], list[object]] = _of_kind(list, "is not a list")


def _text(value: object) -> str:
    return parsers.text(_of_kind(str, "is not text")(value))


def _whole(high: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if type(value) is not int or not 0 <= value <= high:
            raise ValueError(f"is not a whole number from 0 to {high}")
        return value

    return check


def _among(allowed: Sequence[str], otherwise: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        if value not in ("", *allowed):
            raise ValueError(otherwise)
        return cast("str", value)

    return check


def _access(value: object) -> dict[str, Any]:
    """``{required, teamName, audTag}`` (ingress/ingress.go, validateAccessConfiguration)."""
    given = fields_of(value, "required, teamName and audTag", ("required", "teamName", "audTag", "environment"))
    access: dict[str, Any] = {
        "required": _boolean(given.get("required", False)),
        "teamName": _text(given.get("teamName", "")),
        "audTag": [*map(_text, _list(given.get("audTag", [])))],
    }
    if access["required"] and access["audTag"] and not access["teamName"]:
        raise ValueError("has an audTag but no teamName")
    if given.get("environment"):
        access["environment"] = _text(given["environment"])
    return access


# The bundles of CAs in the pod: the cluster's, and that of cloudflared's image.
_CA_PATHS = (CLUSTER_CA_PATH, "/etc/ssl/certs/ca-certificates.crt")
_NO_CA = f"names a file that the pod does not have, so cloudflared would not start; it has {' and '.join(_CA_PATHS)}"
# Each option of cloudflared: its check, and what Cloudflare's Pulumi provider calls a plain value, if it takes it.
_OPTIONS: dict[str, tuple[Callable[[object], Any], str]] = {
    "connectTimeout": (_duration, "connect_timeout"),
    "tlsTimeout": (_duration, "tls_timeout"),
    "tcpKeepAlive": (_duration, "tcp_keep_alive"),
    "noHappyEyeballs": (_boolean, "no_happy_eyeballs"),
    "keepAliveConnections": (_whole(2**31 - 1), "keep_alive_connections"),
    "keepAliveTimeout": (_duration, "keep_alive_timeout"),
    "httpHostHeader": (_text, "http_host_header"),
    "originServerName": (_text, "origin_server_name"),
    "matchSNItoHost": (_boolean, "match_sn_ito_host"),
    "caPool": (_among(_CA_PATHS, _NO_CA), "ca_pool"),
    "noTLSVerify": (_boolean, "no_tls_verify"),
    "disableChunkedEncoding": (_boolean, "disable_chunked_encoding"),
    "bastionMode": (_boolean, ""),
    "proxyAddress": (_text, ""),
    "proxyPort": (_whole(65535), ""),
    "proxyType": (_among(("socks",), "is neither socks nor empty"), "proxy_type"),
    "ipRules": (_list, ""),  # cloudflared reads its rules: ipaccess/access.go
    "http2Origin": (_boolean, "http2_origin"),
    "access": (_access, ""),
}
