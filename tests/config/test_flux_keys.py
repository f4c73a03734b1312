"""Keys and certificates for Flux: what people paste is understood, another kind of key is refused unseen."""

from collections.abc import Callable

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from oceanid_cluster.config.flux_keys import parse_age_key, parse_app_key, parse_certificates, parse_verification_keys
from tests.samples import AGE_KEY, SIGNER, ssh_key

CA = trustme.CA()
CERTIFICATE = CA.cert_pem.bytes().decode()
TWO = CERTIFICATE + trustme.CA().cert_pem.bytes().decode()
TRADITIONAL, PKCS8 = PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, form: PrivateFormat) -> str:
    """A private key in PEM, without a passphrase."""
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


RSA = rsa.generate_private_key(65537, 2048)
APP_KEY = pem(RSA, TRADITIONAL)

NO_AGE_KEYS = (
    f"{AGE_KEY}\nAGE-PLUGIN-X-1QQQ", "AGE-SECRET-KEY-1", AGE_KEY[:-1], f"{AGE_KEY}Q", f"{AGE_KEY[:-1]}B",
    f"{AGE_KEY} {AGE_KEY}", "AGE-SECRET-KEY-…",
)  # fmt: skip
NO_SIGNERS = (
    SIGNER[:-50],
    SIGNER.replace("\n\n", "\n"),
    SIGNER.replace("\n\n", "\nComment: no empty line\n"),
    SIGNER.replace("\n", " "),
    SIGNER[:50] + SIGNER[50:].replace("\n", "", 2),
    SIGNER + SIGNER.replace("\n\n", "\n"),
)


def test_a_certificate_is_understood_in_the_forms_in_which_it_is_pasted() -> None:
    for text in (
        CERTIFICATE,
        CERTIFICATE.replace("\n", "\r\n"),
        CERTIFICATE.replace("\n", "\\n"),
        f"subject=CN=the CA\n{CERTIFICATE}\n",
        "\n".join(f"  {line}" for line in CERTIFICATE.splitlines()),
    ):
        assert parse_certificates(text) == CERTIFICATE
    assert parse_certificates(TWO) == TWO


@pytest.mark.parametrize(
    ("parse", "text", "reason"),
    [
        (parse_certificates, "ca.crt", "is not made of whole certificates"),
        (parse_certificates, CERTIFICATE + APP_KEY, "contains a private key"),
        (parse_certificates, CERTIFICATE.replace("CERTIFICATE", "PUBLIC KEY"), "is not made of whole certificates"),
        (parse_certificates, TWO[:-40], "is not made of whole certificates"),
        (parse_app_key, ssh_key(), "is not an RSA key"),
        (parse_app_key, pem(ed25519.Ed25519PrivateKey.generate(), PKCS8), "is not an RSA key"),
        (parse_certificates, CERTIFICATE[:200] + CERTIFICATE[300:], "is damaged"),
        (parse_certificates, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", "is damaged"),
        (parse_app_key, "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----", "is damaged"),
        (parse_app_key, "12345", "is not one whole private key"),
        (parse_age_key, "# created: today", "is not made of private keys of age"),
        *((parse_age_key, text, "is not made of private keys of age") for text in NO_AGE_KEYS),
        (parse_verification_keys, SIGNER.replace("PUBLIC", "PRIVATE"), "contains a private key"),
        *((parse_verification_keys, text, "is not one or more whole") for text in NO_SIGNERS),
    ],
)
def test_another_kind_of_key_is_refused_and_not_shown(parse: Callable[[str], object], text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refusal:
        parse(text)
    shown = str(refusal.value)
    assert not [line for line in text.splitlines() if len(line) > 20 and line[0] != "-" and line in shown]


def test_the_key_of_a_github_app_is_taken() -> None:
    for form in (TRADITIONAL, PKCS8):
        text = pem(RSA, form)
        assert parse_app_key(text).replace("\n", "") == text.replace("\n", "")


def test_keys_are_understood_as_age_and_gpg_print_them() -> None:
    for text in (AGE_KEY, f"# created: today\n# public key: age1qqq\n{AGE_KEY}\n", AGE_KEY.lower(), f"'{AGE_KEY}'"):
        assert parse_age_key(text) == f"{AGE_KEY}\n"
    post_quantum = AGE_KEY.replace("KEY-1", "KEY-PQ-1")  # age-keygen -pq
    assert parse_age_key(post_quantum) == f"{post_quantum}\n"
    commented = SIGNER.replace("\n\n", "\nComment: https://keys.openpgp.org\nVersion: 1\n\n")
    spaced = SIGNER.replace("\n", "\n\n")
    assert parse_verification_keys(f"{SIGNER}\n{SIGNER}{commented}{spaced}") == (SIGNER, SIGNER, commented, spaced[:-1])
