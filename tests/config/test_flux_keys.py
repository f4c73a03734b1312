"""Keys and certificates for Flux: what people paste is understood, and what Flux cannot read is refused unseen."""

from collections.abc import Callable

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from oceanid_cluster.config.flux_keys import parse_age_key, parse_app_key, parse_certificates, parse_verification_keys
from tests.samples import AGE_KEY, SIGNER, ssh_key

CA = trustme.CA()
CERTIFICATE = CA.cert_pem.bytes().decode()
TWO = CERTIFICATE + trustme.CA().cert_pem.bytes().decode()


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, form: PrivateFormat) -> str:
    """A private key in PEM, without a passphrase."""
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


RSA = rsa.generate_private_key(65537, 2048)
APP_KEY = pem(RSA, PrivateFormat.TraditionalOpenSSL)


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


def test_several_certificates_stay_several() -> None:
    assert parse_certificates(TWO) == TWO


@pytest.mark.parametrize(
    ("parse", "text", "reason"),
    [
        (parse_certificates, "ca.crt", "is not a certificate in PEM"),
        (parse_certificates, APP_KEY, "contains a private key"),
        (parse_certificates, CERTIFICATE + APP_KEY, "contains a private key"),
        (parse_certificates, CERTIFICATE.replace("CERTIFICATE", "PUBLIC KEY"), "has PUBLIC KEY as its block 1"),
        (parse_certificates, CERTIFICATE[:-40], "is not a certificate"),
        (parse_certificates, TWO[:-40], "has a certificate without its end"),
        (parse_certificates, TWO.replace("\nMII", "\nMI", 1), "has a damaged certificate as its block 1"),
        (parse_app_key, ssh_key(), "is not an RSA key"),
        (parse_app_key, pem(ec.generate_private_key(ec.SECP256R1()), PrivateFormat.TraditionalOpenSSL), "not an RSA"),
        (parse_app_key, "12345", "is not one private key"),
        (parse_age_key, "# created: today", "holds no key"),
        (parse_age_key, "age1qqqq", "is the public key"),
        (parse_age_key, AGE_KEY[:-3], "has a damaged key in line 1"),
        (parse_age_key, AGE_KEY.replace("QQQ", "QQP", 1), "has a damaged key in line 1"),
        (parse_age_key, f"{AGE_KEY}\nAGE-PLUGIN-X-1QQQ", "has a line 2 that does not begin"),
        (parse_verification_keys, "ABCD1234", "is not one or more whole OpenPGP public keys"),
        (parse_verification_keys, SIGNER.replace("PUBLIC", "PRIVATE"), "contains a private key"),
        (parse_verification_keys, SIGNER[:-50], "is not one or more whole"),
        (parse_verification_keys, SIGNER.replace("mDMEaw", "!!!!", 1), "has a damaged key 1"),
        (parse_verification_keys, SIGNER.replace("mDME", "tDME", 1), "has a key 1 that is no public key"),
    ],
)
def test_what_flux_cannot_read_is_refused_with_its_reason(
    parse: Callable[[str], object], text: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason) as refusal:
        parse(text)
    shown = str(refusal.value)
    assert not [line for line in text.splitlines() if len(line) > 20 and line[0] != "-" and line in shown]


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
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


@given(
    at=st.integers(len("AGE-SECRET-KEY-1"), len(AGE_KEY) - 1), letter=st.sampled_from("PZRY9X8GF2TVDW0S3JN54KHCE6MUA7L")
)
def test_one_wrong_letter_of_an_age_key_is_found(at: int, letter: str) -> None:
    changed = AGE_KEY[:at] + letter + AGE_KEY[at + 1 :]
    if changed != AGE_KEY:
        with pytest.raises(ValueError, match="damaged"):
            parse_age_key(changed)


def test_public_keys_are_taken_one_by_one() -> None:
    assert parse_verification_keys(f"{SIGNER}\n{SIGNER}") == (SIGNER, SIGNER)
