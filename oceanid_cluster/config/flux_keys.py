"""What Flux reads from Secrets, of the right kind: keys, certificates, the address of alerts. Flux judges the rest."""

import re

from oceanid_cluster.config.parsers import http_url, unwrapped
from oceanid_cluster.config.ssh_keys import contents, parse_private_key, pem, pem_blocks, unescaped

# Bech32 of 32 bytes (age, x25519.go and pq.go, which Flux reads by SOPS's age/keysource.go).
_AGE = re.compile("AGE-SECRET-KEY-(PQ-)?1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}")
_RSA = bytes.fromhex("06092a864886f70d010101")  # its object identifier, near the beginning of a PKCS 8 key (RFC 8017)
# Headers, an empty line, and lines of 96 characters at most (ProtonMail/go-crypto, openpgp/armor/armor.go).
_PGP = re.compile(r"-----BEGIN (PGP PUBLIC KEY BLOCK)-----\n(.*:.*\n)*\n+([A-Za-z0-9+/=]{1,96}\n+)+-----END \1-----")


def parse_certificates(text: str) -> str:
    """One or more CA certificates in PEM; other text between them is left out. Raises ValueError."""
    blocks = pem_blocks(text)
    if any("PRIVATE KEY" in label for label, _ in blocks):
        raise ValueError("contains a private key; give the certificate only")
    if not blocks or any(label != "CERTIFICATE" for label, _ in blocks) or text.count("-----BEGIN") != len(blocks):
        raise ValueError("is not made of whole certificates in PEM (-----BEGIN CERTIFICATE-----)")
    for label, body in blocks:
        contents(label, body)
    return "".join(pem(label, body, 64) for label, body in blocks)


def parse_app_key(text: str) -> str:
    """The private key of a GitHub App, an RSA key in PEM, as GitHub hands it out. Raises ValueError."""
    key = parse_private_key(text)
    ((label, body),) = pem_blocks(key)
    if label != "RSA PRIVATE KEY" and not (label == "PRIVATE KEY" and _RSA in contents(label, body)[:48]):
        raise ValueError("is not an RSA key; take the .pem file that GitHub makes under the App's private keys")
    return key


def parse_age_key(text: str) -> str:
    """An age identity as ``age-keygen`` prints it, comments included; several are several lines. Raises ValueError."""
    lines = [line.strip() for line in unescaped(text).splitlines()]
    keys = [line.upper() for line in lines if line and not line.startswith("#")]
    if not keys or not all(map(_AGE.fullmatch, keys)):
        raise ValueError(
            "is not made of private keys of age (AGE-SECRET-KEY-1 and 58 characters), as age-keygen prints them"
        )
    return "".join(f"{key}\n" for key in keys)


def parse_verification_keys(text: str) -> tuple[str, ...]:
    """OpenPGP public keys in ASCII armour, as ``gpg --armor --export`` prints them. Raises ValueError."""
    text = unescaped(text)
    if "PGP PRIVATE KEY BLOCK" in text:
        raise ValueError("contains a private key; export the public one: gpg --armor --export <key>")
    blocks = [f"{block[0]}\n" for block in _PGP.finditer(text)]
    if not blocks or text.count("-----BEGIN") != len(blocks):
        raise ValueError(
            "is not one or more whole OpenPGP public keys, with their line breaks and the empty line before the data;"
            " export them: gpg --armor --export <key>"
        )
    return tuple(blocks)


def parse_alert_address(value: str) -> str:
    """An http or https URL; it may have a user name, as a DSN of Sentry has.

    Of 2048 bytes at most (notification-controller, internal/server/event_handlers.go, extractAuthFromSecret).
    """
    address = unwrapped(value)
    http_url(re.sub("//[^/@]*@", "//", address))
    if len(address) > 2048 or not address.isascii():
        raise ValueError("is not an http or https URL of at most 2048 characters of ASCII")
    return address
