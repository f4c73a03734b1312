"""SSH deploy keys and known_hosts lines, checked as Flux's SSH client will read them."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator
from fnmatch import translate

from oceanid_cluster.config.secret import Secret

PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_OPENSSH_MAGIC = b"openssh-key-v1\0"
_KEYGEN = "make one without a passphrase: ssh-keygen -t ed25519 -f deploy-key"
_PUBLIC = re.compile(r"(ssh-|ecdsa-|sk-)[\w@.-]+\s+AAAA")
# Public key types and the number of fields after the type in their blob (RFC 4253, 5656, 8709).
_FIELDS = {
    "ssh-ed25519": 1,
    "ssh-rsa": 2,
    "ssh-dss": 4,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "sk-ssh-ed25519@openssh.com": 2,
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,
}
_USABLE = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")


def parse_private_key(text: str) -> Secret:
    r"""A private key in OpenSSH's or PEM's form, without a passphrase, as the text of its file.

    Windows line ends, ``\n`` written out, and line breaks turned into spaces are understood. Raises ValueError, whose
    message shows nothing of the key.
    """
    text = unescaped(text)
    if _PUBLIC.match(text) or "PUBLIC KEY-----" in text:
        raise ValueError("is the public key; the private one is in the file without .pub")
    if text.startswith("PuTTY-User-Key-File"):
        raise ValueError("is a PuTTY key; convert it: puttygen key.ppk -O private-openssh-new -o deploy-key")
    blocks = PEM.findall(text)
    if not blocks and "-----BEGIN" in text:
        raise ValueError("is a private key without its end; it has been cut short while copying")
    if len(blocks) != 1:
        raise ValueError(f"is not one private key (-----BEGIN … PRIVATE KEY-----); {_KEYGEN}")
    label, body = blocks[0]
    if label == "ENCRYPTED PRIVATE KEY" or "ENCRYPTED" in body:
        raise _passphrase()
    if label == "DSA PRIVATE KEY":
        raise ValueError(f"is a DSA key, which no Git server takes; {_KEYGEN}")
    if label not in ("OPENSSH PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"):
        raise ValueError(f"is not a private key; {_KEYGEN}")
    encoded = "".join(body.split())
    try:
        data = base64.b64decode(encoded, validate=True)
        if label == "OPENSSH PRIVATE KEY":
            _check_openssh(data)
        else:
            check_der(data, begins=b"\x02\x01")
    except (ValueError, binascii.Error) as problem:
        if isinstance(problem, _RefusedError):
            raise ValueError(str(problem)) from None
        raise ValueError(
            "is a private key with damaged contents; it has been cut short or changed while copying"
        ) from None
    return Secret(pem_block(label, encoded, 70))


def pem_block(label: str, encoded: str, width: int) -> str:
    """A block of PEM from its label and its base64, in lines of ``width`` characters."""
    lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


class _RefusedError(ValueError):
    """A key that is whole, and cannot be used."""


def _passphrase() -> ValueError:
    return _RefusedError("has a passphrase, which nobody would type for Flux; take it off: ssh-keygen -p -f deploy-key")


def unescaped(text: str) -> str:
    r"""The text with line breaks of one kind, also where they are written as ``\n``; without quotes around it."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if "\n" not in text.strip():
        text = text.replace("\\r", "").replace("\\n", "\n")
    return "\n".join(line.strip() for line in text.replace("\r", "\n").splitlines()).strip()


def _check_openssh(data: bytes) -> None:
    """The layout of OpenSSH's PROTOCOL.key: cipher, kdf, its options, number of keys, public and private part."""
    if not data.startswith(_OPENSSH_MAGIC):
        raise ValueError
    cipher, kdf, _options, rest = _strings(data[len(_OPENSSH_MAGIC) :], 3)
    if cipher != b"none" or kdf != b"none":
        raise _passphrase()
    if rest[:4] != b"\0\0\0\1":
        raise ValueError
    public, private, after = _strings(rest[4:], 2)
    kind = key_type(public)
    if kind not in _USABLE:
        raise _RefusedError(f"is of the type {kind}, which Flux cannot use; {_KEYGEN}")
    if after or len(private) % 8 or len(private) < 16 or private[:4] != private[4:8]:
        raise ValueError
    if _strings(private[8:], 1)[0] != kind.encode():
        raise ValueError


def check_der(data: bytes, *, begins: bytes) -> None:
    """One ASN.1 sequence that fills the data, and ``begins`` so: a key with its version. Raises ValueError."""
    if len(data) < 32 or data[0] != 0x30:
        raise ValueError
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    if start + length != len(data) or not data.startswith(begins, start):
        raise ValueError


def _strings(data: bytes, count: int) -> list[bytes]:
    """``count`` length-prefixed strings (RFC 4251), and what follows them. Raises ValueError when there is less."""
    found: list[bytes] = []
    for _ in range(count):
        end = 4 + int.from_bytes(data[:4], "big")
        if len(data) < end or end < 4:
            raise ValueError
        found.append(data[4:end])
        data = data[end:]
    return [*found, data]


def key_type(blob: bytes) -> str:
    """The type of a public key, read from its blob, which must be whole. Raises ValueError."""
    kind = _strings(blob, 1)[0].decode("ascii")
    *fields, rest = _strings(blob, 1 + _FIELDS.get(kind, 99))
    if rest or (kind == "ssh-ed25519" and len(fields[1]) != 32) or not all(fields):
        raise ValueError
    return kind


class KnownHosts(Secret):
    """Checked known_hosts lines."""

    def names(self, host: str, port: int) -> bool:
        """Whether a key of ``host`` at ``port`` is among them, revoked ones left aside."""
        address = host if port == 22 else f"[{host}]:{port}"
        return any(_matches(patterns, address) for marker, patterns in _entries(self.value) if marker != "@revoked")


def parse_known_hosts(text: str) -> KnownHosts:
    """Check lines of known_hosts (sshd(8)), as ``ssh-keyscan`` prints them. Raises ValueError that names the line."""
    text = unescaped(text)
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        if fields[0].startswith("@") and fields.pop(0) not in ("@cert-authority", "@revoked"):
            raise ValueError(f"has an unknown marker in line {number}")
        if len(fields) < 3:
            raise ValueError(f"has a line {number} that is not a host, a key type and a key")
        if fields[0] in _FIELDS or "PRIVATE KEY" in line:
            raise ValueError(f"has a key without its host in line {number}; take the output of ssh-keyscan")
        try:
            kind = key_type(base64.b64decode(fields[2], validate=True))
        except (ValueError, binascii.Error):
            raise ValueError(f"has a damaged key in line {number}; take the output of ssh-keyscan") from None
        if kind != fields[1]:
            raise ValueError(f"has a line {number} whose key is {kind}, which is not what it says")
        if fields[0].startswith("|") and not re.fullmatch(r"\|1\|[A-Za-z0-9+/]{27}=\|[A-Za-z0-9+/]{27}=", fields[0]):
            raise ValueError(f"has a hashed host in line {number} that is damaged")
    if not list(_entries(text)):
        raise ValueError("has no line with a host and its key")
    return KnownHosts(f"{text}\n")


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Marker (or nothing) and host patterns of each line."""
    for line in text.splitlines():
        fields = line.split()
        if fields and not fields[0].startswith("#"):
            marker = fields.pop(0) if fields[0].startswith("@") else ""
            yield marker, fields[0]


def _matches(patterns: str, address: str) -> bool:
    if patterns.startswith("|1|"):
        salt, digest = (base64.b64decode(part) for part in patterns.split("|")[2:])
        return hmac.compare_digest(hmac.new(salt, address.encode(), hashlib.sha1).digest(), digest)
    found = False
    for pattern in patterns.split(","):
        plain = pattern.removeprefix("!")
        bare = plain.removeprefix("[").removesuffix("]:22") if plain.endswith("]:22") else plain
        if re.fullmatch(translate(bare.replace("[", "[[]")), address, re.IGNORECASE):
            if plain != pattern:
                return False
            found = True
    return found
