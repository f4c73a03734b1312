"""What Flux reads from Secrets, of the right kind: keys, certificates, the address of alerts. Flux judges the rest."""

import base64
import binascii
import re
from urllib.parse import urlsplit

from oceanid_cluster.config.secret import Secret
from oceanid_cluster.config.ssh_keys import parse_private_key, pem, pem_blocks, unescaped

_RSA = bytes.fromhex("06092a864886f70d010101")  # its object identifier, near the beginning of a PKCS 8 key (RFC 8017)
_PGP = re.compile(r"-----BEGIN PGP PUBLIC KEY BLOCK-----.*?-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL)


def parse_certificates(text: str) -> str:
    """One or more CA certificates in PEM; other text between them is left out. Raises ValueError."""
    blocks = pem_blocks(text)
    if any("PRIVATE KEY" in label for label, _ in blocks):
        raise ValueError("contains a private key; give the certificate only")
    if not blocks or any(label != "CERTIFICATE" for label, _ in blocks) or text.count("-----BEGIN") != len(blocks):
        raise ValueError("is not made of whole certificates in PEM (-----BEGIN CERTIFICATE-----)")
    return "".join(pem(label, body, 64) for label, body in blocks)


def parse_app_key(text: str) -> Secret:
    """The private key of a GitHub App, an RSA key in PEM, as GitHub hands it out. Raises ValueError."""
    key = parse_private_key(text)
    ((label, body),) = pem_blocks(key.value)
    if label != "RSA PRIVATE KEY" and not (label == "PRIVATE KEY" and _RSA in _beginning(body)):
        raise ValueError("is not an RSA key; take the .pem file that GitHub makes under the App's private keys")
    return key


def _beginning(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded[:64])
    except (ValueError, binascii.Error):
        return b""


def parse_age_key(text: str) -> Secret:
    """An age identity as ``age-keygen`` prints it, comments included; several are several lines. Raises ValueError."""
    lines = [line.strip() for line in unescaped(text).splitlines()]
    keys = [line.upper() for line in lines if line and not line.startswith("#")]
    if not keys or not all(key.startswith("AGE-SECRET-KEY-") for key in keys):
        raise ValueError("is not made of private keys of age (AGE-SECRET-KEY-…); make one: age-keygen -o age.agekey")
    return Secret("".join(f"{key}\n" for key in keys))


def parse_verification_keys(text: str) -> tuple[str, ...]:
    """OpenPGP public keys in ASCII armour, as ``gpg --armor --export`` prints them. Raises ValueError."""
    text = unescaped(text)
    if "PGP PRIVATE KEY BLOCK" in text:
        raise ValueError("contains a private key; export the public one: gpg --armor --export <key>")
    blocks = _PGP.findall(text)
    if not blocks or text.count("-----BEGIN") != len(blocks):
        raise ValueError("is not one or more whole OpenPGP public keys; export them: gpg --armor --export <key>")
    return tuple(f"{block}\n" for block in blocks)


def parse_alert_address(value: str) -> str:
    """An http or https URL; it may have a user name, as a DSN of Sentry has.

    Of 2048 bytes at most (notification-controller, internal/server/event_handlers.go, extractAuthFromSecret).
    """
    address = value.strip()
    try:
        parts = urlsplit(address)
        found = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        found = False
    if not found or len(address) > 2048 or not address.isascii() or any(ord(ch) <= 32 for ch in address):
        raise ValueError("is not an http or https URL of at most 2048 characters")
    return address
