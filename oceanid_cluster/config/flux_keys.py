"""Keys and certificates that Flux reads from Secrets, checked as Flux will read them."""

import base64
import binascii

from oceanid_cluster.config.secret import Secret
from oceanid_cluster.config.ssh_keys import PEM, check_der, parse_private_key, pem_block, unescaped

_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_AGE_PREFIX = "age-secret-key-"
_AGE_LENGTH = 74  # of "AGE-SECRET-KEY-1", 52 characters of key and 6 of checksum
_PUBLIC_KEY_PACKET = 6


def parse_certificates(text: str) -> str:
    """One or more CA certificates in PEM, as a server's client needs them; other text between them is left out.

    Raises ValueError.
    """
    text = unescaped(text)
    if "PRIVATE KEY-----" in text:
        raise ValueError("contains a private key; give the certificate only")
    blocks = PEM.findall(text)
    if not blocks:
        raise ValueError("is not a certificate in PEM (-----BEGIN CERTIFICATE-----)")
    found: list[str] = []
    for number, (label, body) in enumerate(blocks, start=1):
        if label != "CERTIFICATE":
            raise ValueError(
                f"has {label} as its block {number}; a certificate begins with -----BEGIN CERTIFICATE-----"
            )
        encoded = "".join(body.split())
        try:
            check_der(base64.b64decode(encoded, validate=True), begins=b"\x30")
        except (ValueError, binascii.Error):
            raise ValueError(f"has a damaged certificate as its block {number}; copy it again") from None
        found.append(pem_block(label, encoded, 64))
    if text.count("-----BEGIN") != len(blocks):
        raise ValueError("has a certificate without its end; it has been cut short while copying")
    return "".join(found)


def parse_app_key(text: str) -> Secret:
    """The private key of a GitHub App, an RSA key in PEM, as GitHub hands it out. Raises ValueError."""
    key = parse_private_key(text)
    if key.value.startswith(("-----BEGIN OPENSSH", "-----BEGIN EC")):
        raise ValueError("is not an RSA key; take the .pem file that GitHub makes under the App's private keys")
    return key


def parse_age_key(text: str) -> Secret:
    """An age identity as ``age-keygen`` prints it, comments included; several are several lines. Raises ValueError."""
    lines = [line.strip() for line in unescaped(text).splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise ValueError("holds no key; make one: age-keygen -o age.agekey")
    for number, key in enumerate(keys, start=1):
        lower = key.lower()
        if lower.startswith("age1"):
            raise ValueError("is the public key; the private one begins with AGE-SECRET-KEY-")
        if not lower.startswith(f"{_AGE_PREFIX}1"):
            raise ValueError(f"has a line {number} that does not begin with AGE-SECRET-KEY-1")
        if len(key) != _AGE_LENGTH or not _is_bech32(lower):
            raise ValueError(f"has a damaged key in line {number}; it has been cut short or changed while copying")
    return Secret("".join(f"{key.upper()}\n" for key in keys))


def _is_bech32(text: str) -> bool:
    """Whether the checksum of a Bech32 string is right (BIP 173)."""
    prefix, _, data = text.rpartition("1")
    if not set(data) <= set(_BECH32):
        return False
    values = [ord(ch) >> 5 for ch in prefix] + [0] + [ord(ch) & 31 for ch in prefix]
    checksum = 1
    for value in [*values, *map(_BECH32.index, data)]:
        top, checksum = checksum >> 25, (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            checksum ^= generator if top >> bit & 1 else 0
    return checksum == 1


def parse_verification_keys(text: str) -> tuple[str, ...]:
    """OpenPGP public keys in ASCII armour (RFC 9580), as ``gpg --armor --export`` prints them. Raises ValueError."""
    text = unescaped(text)
    if "PGP PRIVATE KEY BLOCK" in text:
        raise ValueError("contains a private key; export the public one: gpg --armor --export <key>")
    blocks = [match for match in PEM.finditer(text) if match[1] == "PGP PUBLIC KEY BLOCK"]
    if not blocks or text.count("-----BEGIN") != len(blocks):
        raise ValueError("is not one or more whole OpenPGP public keys; export them: gpg --armor --export <key>")
    for number, block in enumerate(blocks, start=1):
        _check_armour(block[2], number)
    return tuple(f"{block[0]}\n" for block in blocks)


def _check_armour(body: str, number: int) -> None:
    """Raise ValueError unless the block's data can be read and begins with a public key packet."""
    lines = [line for line in body.splitlines() if line and ": " not in line and not line.startswith("=")]
    try:
        data = base64.b64decode("".join(lines), validate=True)
    except binascii.Error:
        data = b""
    if len(data) < 64 or not data[0] & 0x80:
        raise ValueError(f"has a damaged key {number}; it has been cut short or changed while copying")
    if (data[0] & 0x3F if data[0] & 0x40 else data[0] >> 2 & 0x0F) != _PUBLIC_KEY_PACKET:
        raise ValueError(f"has a key {number} that is no public key")
