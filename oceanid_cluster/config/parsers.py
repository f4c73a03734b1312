"""Parsers of configuration values: each takes the text of one key and raises ValueError with what is wrong.

What is wrong is the end of a sentence ("is not a branch") whose subject is the key, or what stands for it in a list.
What is of the text stands in single quotes, and nothing else does: schema.py hides it where it may be secret.
"""

import ipaddress
import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import cast
from urllib.parse import urlsplit

from oceanid_cluster.config.entries import as_text, json_list, json_object

Resources = dict[str, dict[str, str]]

# Of Kubernetes (apimachinery, pkg/api/resource/quantity.go and suffix.go).
_QUANTITY = re.compile(
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([numkMGTPE])|([KMGTPE])i|[eE]([+-]?0*[0-9]{1,3}))?", re.ASCII
)
_POWERS = {"n": -3, "u": -2, "m": -1, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
# A token in an HTTP header: b64token of RFC 6750, section 2.1.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
# What tools print where there is no value (jq, Python, JavaScript, logs), and what is left of half a header.
_NO_TOKENS = ("null", "none", "nil", "undefined", "true", "false", "redacted", "bearer", "token")
_LABELS = (
    'an object of labels such as {"kubernetes.io/hostname": "srv712429"},'
    " and not the same as kubernetes.io/hostname=srv712429"
)
# Labels (apimachinery, pkg/util/validation/validation.go: IsValidLabelValue, IsQualifiedName).
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_LABEL_PREFIX = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/"
DNS_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
# What ends in a number can only be an address (WHATWG URL, "ends-in-a-number checker"): resolvers read 127.1 as one
# (inet_aton(3)).
_NO_NUMBER = r"(?!(.*\.)?([0-9]+|0x[0-9a-f]*)\.?$)"
# A host name (RFC 1123, section 2.1).
_HOST = re.compile(rf"{_NO_NUMBER}(?=.{{1,253}}\.?$){HOST_LABEL}(\.{HOST_LABEL})*\.?", re.ASCII | re.IGNORECASE)
# What listens on a node of K3s (its "Requirements", kubelet, kube-proxy, controllers, containerd), and Triton.
_NODE_PORTS = (2379, 2380, 2381, 2382, 6443, 6444, 8000, 10010, 10248, 10249, 10250, 10256, 10257, 10258, 10259)
# What stands before a value where it is copied from.
_BEFORE = re.compile(
    r"^((export\s+)?[a-z]\w+=(?=[^=\s])|authorization:\s*|(bearer|token)\s+(?=\S+$))", re.ASCII | re.IGNORECASE
)
# A DNS subdomain name, as names of objects are (apimachinery, pkg/util/validation/validation.go).
_DNS_NAME = r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"


def text(value: str) -> str:
    """Any text on one line."""
    value = value.strip()
    if any(ord(ch) < 32 for ch in value):
        raise ValueError("contains a line break or a control character")
    return value


def unwrapped(value: str) -> str:
    """The text without what it was copied with: quotes, ``NAME=``, ``export``, and the words of an HTTP header."""
    before = None
    while value != before:
        before, value = value, _BEFORE.sub("", value.strip())
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"`":
            value = value[1:-1]
    return value


def token(value: str) -> str:
    """A token as an HTTP header carries it."""
    text = unwrapped(value)
    if not _TOKEN.fullmatch(text) or text.lower() in _NO_TOKENS:
        raise ValueError(
            "is not a token, which has letters, digits and -._~+/ only, and = at its end (RFC 6750): a placeholder, a"
            " URL or a user name is not"
        )
    return text


def matching(grammar: str, what: str, *, lower: bool = False) -> Callable[[str], str]:
    """One word that follows a grammar, a regular expression; ``what`` is what a message calls it."""

    def parse(value: str) -> str:
        word = value.strip().lower() if lower else value.strip()
        if not re.fullmatch(grammar, word):
            raise ValueError(f"is not {what}")
        return word

    return parse


email = matching(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address")
hexadecimal_id = matching(r"[0-9a-f]{32}", "a Cloudflare id (32 hexadecimal digits)", lower=True)
uid = matching(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "a UID such as 0f4b6a1e-3c5d-4f2a-9b8c-7d6e5f4a3b2c", lower=True
)
chart_version = matching(r"v?[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?", "a chart version such as 1.2.3")
label_value = matching(
    _LABEL, "a value for a label of Kubernetes (63 letters, digits, hyphens, underscores and dots at most)"
)
resource_name = matching(_LABEL_PREFIX + _LABEL, "an extended resource such as nvidia.com/gpu")
object_name = matching(_DNS_NAME, "a name of Kubernetes: lower-case letters, digits, hyphens and dots")
# botocore, data/partitions.json: each "regionRegex".
region = matching(
    r"[a-z]+(-[a-z]+)+-[0-9]+", "a region of AWS such as us-east-1 (an availability zone has a letter at its end)"
)
# Amazon S3, "General purpose bucket naming rules".
bucket = matching(
    r"(?!.*\.\.|[0-9]+(\.[0-9]+){3}$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    "the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens, no s3://",
)


def boolean(value: str) -> bool:
    """``true`` or ``false``."""
    if value.strip().lower() not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return value.strip().lower() == "true"


def integer(low: int, high: int) -> Callable[[str], int]:
    """A whole number from ``low`` to ``high``."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,12}", value.strip(), re.ASCII) or not low <= int(value) <= high:
            raise ValueError(f"is not a whole number from {low} to {high}")
        return int(value)

    return parse


def node_port(value: str) -> int:
    """A port that a pod may listen on in the network of its node."""
    port = integer(1024, 65535)(value)
    if port in _NODE_PORTS or 30000 <= port <= 32767:  # those of Services of type NodePort
        raise ValueError("is a port that Kubernetes or Triton uses on the node")
    return port


def choice(*allowed: str) -> Callable[[str], str]:
    """One of a few words."""

    def parse(value: str) -> str:
        if value.strip() not in allowed:
            raise ValueError(f"is not one of {', '.join(allowed)}")
        return value.strip()

    return parse


def ip_address(value: str) -> str:
    """An IPv4 or IPv6 address, in its usual writing."""
    try:
        return str(ipaddress.ip_address(value.strip()))
    except ValueError:
        raise ValueError("is not an IP address") from None


def is_dns_name(value: str) -> bool:
    """Whether a text is a DNS subdomain name in lower case, as names of Kubernetes objects are."""
    return re.fullmatch(_DNS_NAME, value) is not None


def http_url(value: str) -> str:
    """An http or https URL without credentials."""
    url = unwrapped(value)
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not an http or https URL") from None
    if parts.scheme not in ("http", "https") or not host or " " in url or not url.isprintable():
        raise ValueError("is not an http or https URL")
    if parts.username is not None:
        raise ValueError("contains a user name; credentials belong in their own secret keys")
    return url.rstrip("/")


def git_branch(value: str) -> str:
    """A branch name (git-check-ref-format); no full reference, and no tag or commit, which Flux would not follow."""
    name = value.strip()
    bad = r"[\x00-\x20\x7f~^:?*\[\\\s]|\.\.|//|@\{|\.lock(/|$)|(^|/)\.|^-|[/.]$|^/"
    another = r"(refs|remotes|origin|tags)/|([0-9a-f]{40}|[0-9a-f]{64})$"
    if not name or name in ("@", "HEAD") or re.search(bad, name) or re.match(another, name):
        raise ValueError("is not the name of a branch such as main (without refs/heads/ or origin/; no tag, no commit)")
    return name


def repository_path(value: str) -> str:
    """A folder inside the Git repository, as ``./…``."""
    path = value.strip().removeprefix("./").strip("/")
    if ".." in path.split("/") or any(ch.isspace() for ch in path):
        raise ValueError("is not a folder inside the repository")
    return f"./{path}"


def host_list(value: str) -> tuple[str, ...]:
    """Host names or addresses, without ports: a JSON list, or separated by commas."""
    items = json_list(value, "a list of hosts") if value.strip().startswith("[") else value.split(",")
    hosts = [(as_text(item) or "").strip().lower() for item in items]
    for host in hosts:
        if not is_host(host):
            raise ValueError(
                f"has '{host}', which is neither a host name nor an address (write it without a scheme or port)"
            )
    return tuple(hosts)


def is_address(host: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_host(text: str) -> bool:
    """Whether a text is a host name or an IP address."""
    return is_address(text) or _HOST.fullmatch(text) is not None


def pod_url(value: str) -> str:
    """An http or https URL without credentials, which a pod asks."""
    url = http_url(value)
    check_not_the_pod(urlsplit(url).hostname or "")
    return url


def check_not_the_pod(host: str) -> None:
    """Raise ValueError for the host of an address in a pod's configuration at which only the pod itself answers."""
    if is_loopback(host):
        raise ValueError("leads to the pod itself; write the host name that others use")


def is_loopback(host: str) -> bool:
    """Whether a host is the machine or pod that asks (systemd, is_localhost; kubelet, managedHostsFileContent)."""
    if not is_address(host):
        names = r"((.*\.)?localhost(\.localdomain)?|ip6-(localhost|loopback))\.?"
        return re.fullmatch(names, host.lower()) is not None
    address = ipaddress.ip_address(host)
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def label_map(value: str) -> dict[str, str]:
    """Labels of a node selector: ``name=value,name=value``, or a JSON object."""
    if value.strip().startswith("{"):
        return labels(json_object(value, _LABELS))
    pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
    if not all(equals for _, equals, _ in pairs) or len({name.strip() for name, _, _ in pairs}) < len(pairs):
        raise ValueError(f"is not {_LABELS}")
    return labels({name.strip(): item.strip() for name, _, item in pairs})


def labels(given: object) -> dict[str, str]:
    """Kubernetes labels by name, from what JSON or YAML made of them."""
    if not isinstance(given, dict):
        raise ValueError("has labels that are not an object")
    texts = {name: as_text(item) for name, item in cast("dict[str, object]", given).items()}
    for name, item in texts.items():
        if (
            not re.fullmatch(f"({_LABEL_PREFIX})?{_LABEL}", name)
            or item is None
            or not re.fullmatch(f"({_LABEL})?", item)
        ):
            raise ValueError(f"has a label that Kubernetes would refuse: '{name}'")
    return cast("dict[str, str]", texts)


def label_selector(value: str) -> dict[str, str]:
    """Labels of a node selector in either notation; at least one."""
    found = label_map(value)
    if not found:
        raise ValueError(f"is not {_LABELS}")
    return found


def domain(value: str) -> str:
    """A DNS domain, in lower case and without dots at its ends."""
    grammar = matching(
        rf"{_NO_NUMBER}(?=.{{1,200}}$){DNS_LABEL}(\.{DNS_LABEL})*", "a domain such as cluster.local", lower=True
    )
    return grammar(value.strip().strip("."))


def ner_labels(value: str) -> str:
    """A JSON list of names, in one writing; the adapter dies on anything else."""
    shape = 'a JSON list of different names such as ["O", "VESSEL"]'
    items = json_list(value, shape)
    texts = {item for item in items if isinstance(item, str) and item.strip()}
    if not items or len(texts) < len(items):
        raise ValueError(f"is not {shape}")
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"))


def quantity(value: str) -> str:
    """A Kubernetes quantity greater than zero, such as 500m or 10Gi."""
    if quantity_value(value.strip()) <= 0:
        raise ValueError(f"has the quantity '{value}', which is not more than zero")
    return value.strip()


def quantity_value(value: str) -> Decimal:
    """The number that a Kubernetes quantity stands for. Raises ValueError."""
    found = _QUANTITY.fullmatch(value)
    if not found:
        raise ValueError(f"has the quantity '{value}', which Kubernetes does not know (500m, 2, 256Mi, 10Gi)")
    number, decimal, binary, exponent = found.groups()
    if binary:
        return Decimal(number) * 1024 ** _POWERS[binary]
    return Decimal(number).scaleb(3 * _POWERS[decimal] if decimal else int(exponent or 0))


def resources(default: Resources) -> Callable[[str], Resources]:
    """CPU and memory, requests and limits; what is left out is taken from ``default``, field by field."""

    def parse(value: str) -> Resources:
        given = json_object(value, 'an object such as {"limits": {"memory": "512Mi"}}')
        merged = {side: dict(amounts) for side, amounts in default.items()}
        for side, amounts in given.items():
            if side not in merged or not isinstance(amounts, dict):
                raise ValueError("takes requests and limits, each with cpu and memory")
            for unit, amount in cast("dict[str, object]", amounts).items():
                if unit not in ("cpu", "memory"):
                    raise ValueError(f"takes cpu and memory under {side}, not '{unit}'")
                merged[side][unit] = quantity(str(amount))
        for unit in ("cpu", "memory"):
            if quantity_value(merged["requests"][unit]) > quantity_value(merged["limits"][unit]):
                raise ValueError(f"requests more {unit} than its limit allows")
        return merged

    return parse
