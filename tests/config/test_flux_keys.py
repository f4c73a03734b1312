"""Keys and certificates for Flux: what people paste is understood, another kind of key is refused unseen."""

from collections.abc import Callable

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from oceanid_cluster.config.flux_keys import parse_age_key, parse_app_key, parse_certificates, parse_verification_keys
from tests.samples import AGE_KEY, SIGNER, ssh_key

CA = trustme.CA()
CERTIFICATE = CA.cert_pem.bytes().decode()
TWO = CERTIFICATE + trustme.CA().cert_pem.bytes().decode()
TRADITIONAL, PKCS8 = PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, form: PrivateFormat) -> str:
    """A private key in PEM, without a passphrase."""
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


RSA, EC = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
APP_KEY = pem(RSA, TRADITIONAL)


@pytest.mark.parametrize(
    "text",
    [
        CERTIFICATE,
        CERTIFICATE.replace("\n", "\r\n"),
        CERTIFICATE.replace("\n", "\\n"),
        f"subject=CN=the CA\n{CERTIFICATE}\n",
        "\n".join(f"  {line}" for line in CERTIFICATE.splitlines()),
    ],
)
def test_a_certificate_is_understood_in_the_forms_in_which_it_is_pasted(text: str) -> None:
    assert parse_certificates(text) == CERTIFICATE
    assert parse_certificates(TWO) == TWO


@pytest.mark.parametrize(
    ("parse", "text", "reason"),
    [
        (parse_certificates, "ca.crt", "is not made of whole certificates"),
        (parse_certificates, APP_KEY, "contains a private key"),
        (parse_certificates, CERTIFICATE + APP_KEY, "contains a private key"),
        (parse_certificates, CERTIFICATE.replace("CERTIFICATE", "PUBLIC KEY"), "is not made of whole certificates"),
        (parse_certificates, TWO[:-40], "is not made of whole certificates"),
        (parse_app_key, ssh_key(), "is not an RSA key"),
        (parse_app_key, pem(EC, TRADITIONAL), "is not an RSA key"),
        (parse_app_key, pem(EC, PKCS8), "is not an RSA key"),
        (parse_app_key, pem(ed25519.Ed25519PrivateKey.generate(), PKCS8), "is not an RSA key"),
        (parse_app_key, "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----", "is not an RSA key"),
        (parse_app_key, "12345", "is not one whole private key"),
        (parse_age_key, "# created: today", "is not made of private keys of age"),
        (parse_age_key, "age1qqqq", "is not made of private keys of age"),
        (parse_age_key, f"{AGE_KEY}\nAGE-PLUGIN-X-1QQQ", "is not made of private keys of age"),
        (parse_verification_keys, "ABCD1234", "is not one or more whole OpenPGP public keys"),
        (parse_verification_keys, SIGNER.replace("PUBLIC", "PRIVATE"), "contains a private key"),
        (parse_verification_keys, SIGNER[:-50], "is not one or more whole"),
    ],
)
def test_another_kind_of_key_is_refused_and_not_shown(parse: Callable[[str], object], text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refusal:
        parse(text)
    shown = str(refusal.value)
    assert not [line for line in text.splitlines() if len(line) > 20 and line[0] != "-" and line in shown]


@pytest.mark.parametrize("form", [TRADITIONAL, PKCS8])
def test_the_key_of_a_github_app_is_taken(form: PrivateFormat) -> None:
    text = pem(RSA, form)
    assert parse_app_key(text).value.replace("\n", "") == text.replace("\n", "")


@pytest.mark.parametrize(
    "text",
    [AGE_KEY, f"# created: today\n# public key: age1qqq\n{AGE_KEY}\n", AGE_KEY.lower(), f"'{AGE_KEY}'"],
    ids=["bare", "as printed", "in small letters", "in quotes"],
)
def test_an_age_key_is_understood_as_age_keygen_prints_it(text: str) -> None:
    assert parse_age_key(text).value == f"{AGE_KEY}\n"


def test_public_keys_are_taken_one_by_one() -> None:
    assert parse_verification_keys(f"{SIGNER}\n{SIGNER}") == (SIGNER, SIGNER)
