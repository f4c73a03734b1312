"""SSH deploy keys and known_hosts lines: what they are copied with is undone; what is in a key is for Flux to judge."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from oceanid_cluster.config.parsers import unwrapped

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_KINDS = ("OPENSSH PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY")
_OPENSSH = b"openssh-key-v1\0"  # how its keys begin (PROTOCOL.key)
_KEYGEN = "make one without a passphrase: ssh-keygen -t ed25519 -f deploy-key"


def parse_private_key(text: str) -> str:
    r"""A private key in OpenSSH's or PEM's form, without a passphrase, as the text of its file.

    Windows line ends, ``\n`` written out, and line breaks turned into spaces are understood. Raises ValueError, whose
    message shows nothing of the key.
    """
    blocks = pem_blocks(text)
    if len(blocks) != 1 or blocks[0][0] not in (*_KINDS, "ENCRYPTED PRIVATE KEY"):
        raise ValueError(f"is not one whole private key (-----BEGIN … PRIVATE KEY-----); {_KEYGEN}")
    label, body = blocks[0]
    if "ENCRYPTED" in label + body or not contents(label, body).startswith((b"0", _OPENSSH + b"\0\0\0\4none\0")):
        raise ValueError("has a passphrase, which Flux cannot enter; remove it: ssh-keygen -p -f deploy-key")
    return pem(label, body, 70)


def contents(label: str, body: str) -> bytes:
    """The bytes of a PEM block. Raises ValueError where they are not as long as they say themselves.

    They are one SEQUENCE of DER (encoding/asn1, parseTagAndLength), or OpenSSH's fields (x/crypto/ssh,
    parseOpenSSHPrivateKey).
    """
    try:
        data = base64.b64decode(body, validate=True)
    except ValueError:
        data = b""
    if label == _KINDS[0]:
        at = len(_OPENSSH)
        for number in (0, 0, 0, 4, 0):  # cipher, KDF, its options, how many keys, the public ones, the private ones
            at += number + 4 + int.from_bytes(data[at + number : at + number + 4])
        whole = data.startswith(_OPENSSH) and at == len(data)
    else:
        start = 2 if data[1:2] < b"\x80" else data[1] - 126
        whole = data[:1] == b"0" and start + int.from_bytes(data[1:2] if start == 2 else data[2:start]) == len(data)
    if not whole:
        raise ValueError(f"is damaged: something is missing or changed between the BEGIN and END lines of its {label}")
    return data


def pem_blocks(text: str) -> list[tuple[str, str]]:
    """Label and content of each whole block of PEM, the content without white space."""
    return [(label, "".join(body.split())) for label, body in _PEM.findall(unescaped(text))]


def pem(label: str, encoded: str, width: int) -> str:
    """A block of PEM from its label and its base64, in lines of ``width`` characters."""
    lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def unescaped(text: str) -> str:
    r"""The text without what it was copied with, its line breaks of one kind, also where they are written as ``\n``."""
    text = unwrapped(text)
    if "\n" not in text:
        text = re.sub(r"\\+n", "\n", re.sub(r"\\+r", "", text))
    return "\n".join(line.strip() for line in text.splitlines()).strip()


def parse_known_hosts(text: str) -> str:
    """Lines of known_hosts (sshd(8)), as ``ssh-keyscan`` prints them, whatever they hold."""
    return f"{unescaped(text)}\n"


def knows_host(known_hosts: str, host: str, port: int) -> bool:
    """Whether lines of known_hosts have a key of a host at a port, as Flux's client looks (x/crypto/ssh/knownhosts)."""
    return any(_matches(patterns, host, str(port)) for patterns in _patterns(known_hosts))


def _patterns(text: str) -> Iterator[str]:
    """The host patterns of each line that is not revoked."""
    for line in text.splitlines():
        fields = line.split()
        if fields and fields[0] == "@cert-authority":
            fields.pop(0)
        if len(fields) >= 3 and fields[0][0] not in "#@":
            yield fields[0]


def _matches(patterns: str, host: str, port: str) -> bool:
    if patterns.startswith("|1|"):
        address = host if port == "22" else f"[{host}]:{port}"
        try:
            salt, digest = (base64.b64decode(part) for part in patterns.split("|")[2:])
        except ValueError:
            return False
        return hmac.compare_digest(hmac.new(salt, address.encode(), hashlib.sha1).digest(), digest)
    matching = [pattern for pattern in patterns.split(",") if _covers(pattern.removeprefix("!"), host, port)]
    return bool(matching) and not any(pattern.startswith("!") for pattern in matching)


def _covers(pattern: str, host: str, port: str) -> bool:
    """Whether a pattern, a name with wildcards and perhaps a port, stands for a host."""
    with_port = re.fullmatch(r"\[(.*)\]:(\d+)|([^:]*):(\d+)", pattern)
    name, its_port = (with_port[1] or with_port[3], with_port[2] or with_port[4]) if with_port else (pattern, "22")
    return its_port == port and fnmatchcase(host, name.replace("[", "[[]"))
