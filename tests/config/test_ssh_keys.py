"""Deploy keys and known_hosts lines: what Flux could not use is refused by name, and none of a key is shown."""

import base64
import hashlib
import hmac
import subprocess
from pathlib import Path

import pytest

from oceanid_cluster.config.ssh_keys import parse_known_hosts, parse_private_key
from tests.samples import KNOWN_HOSTS, ssh_key

LINE = KNOWN_HOSTS.splitlines()[1]
BLOB = LINE.split()[2]


def keygen(folder: Path, *options: str) -> tuple[str, str]:
    """A pair of keys as ssh-keygen makes it: private, public."""
    path = folder / f"key{len(list(folder.iterdir()))}"
    subprocess.run(["ssh-keygen", "-q", "-f", path, *options], check=True, capture_output=True)
    return path.read_text(encoding="utf-8"), path.with_suffix(".pub").read_text(encoding="utf-8")


def refusal(text: str) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_private_key(text)
    assert "BEGIN OPENSSH PRIVATE KEY-----\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("-t", "ed25519"), ("-t", "rsa"), ("-t", "ecdsa"), ("-t", "ecdsa", "-b", "521"), ("-t", "rsa", "-m", "PEM"),
        ("-t", "ecdsa", "-m", "PEM"), ("-t", "rsa", "-m", "PKCS8"), ("-t", "ecdsa", "-m", "PKCS8"),
    ],
    ids="-".join,
)  # fmt: skip
def test_every_key_that_ssh_keygen_makes_is_taken_however_it_was_pasted(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    private, public = keygen(tmp_path, *options, "-N", "")
    one_line = private.strip().replace("\n", "\\n")
    for pasted in (private, private.replace("\n", "\r\n"), one_line, f'"{one_line}"', private.replace("\n", " ")):
        kept = parse_private_key(pasted).value
        assert "".join(kept.split()) == "".join(private.split())
        file = tmp_path / "kept"
        file.write_text(kept, encoding="utf-8")
        file.chmod(0o600)
        shown = subprocess.run(["ssh-keygen", "-y", "-f", file], capture_output=True, text=True, check=True).stdout
        assert shown.split()[:2] == public.split()[:2]
    body = private.split("\n")
    for damaged in ("\n".join([*body[:2], *body[3:]]), private.replace(body[2], body[2][:-4])):
        assert "damaged contents" in refusal(damaged)
    assert "without its end" in refusal(private[: len(private) // 2])
    assert "is the public key" in refusal(public)


@pytest.mark.slow
@pytest.mark.parametrize("form", [(), ("-m", "PEM"), ("-m", "PKCS8")], ids="".join)
def test_a_key_with_a_passphrase_is_refused(tmp_path: Path, form: tuple[str, ...]) -> None:
    private, _ = keygen(tmp_path, "-t", "rsa", "-N", "a passphrase", *form)
    assert "has a passphrase" in refusal(private)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ssh_key(cipher="aes256-ctr"), "has a passphrase"),
        (ssh_key(kind="ssh-dss"), "damaged"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me@host", "is the public key"),
        ("ecdsa-sha2-nistp256 AAAAE2VjZHNh me@host", "is the public key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "is the public key"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "is not a private key"),
        ("-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----", "is a DSA key"),
        ("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----", "damaged contents"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n????\n-----END OPENSSH PRIVATE KEY-----", "damaged contents"),
        ("PuTTY-User-Key-File-3: ssh-ed25519", "is a PuTTY key"),
        (f"{ssh_key()}{ssh_key()}", "is not one private key"),
        ("~/.ssh/id_ed25519", "is not one private key"),
        ("", "is not one private key"),
    ],
)
def test_what_is_no_usable_private_key_is_refused_by_name(text: str, reason: str) -> None:
    assert reason in refusal(text)


def hashed(name: str, salt: bytes = b"0123456789abcdefghij") -> str:
    """A host as ``HashKnownHosts yes`` writes it."""
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("line", "host", "port", "named"),
    [
        (LINE, "github.com", 22, True),
        (LINE, "GitHub.com", 22, True),
        (LINE, "github.com", 443, False),
        (LINE, "hub.com", 22, False),
        (f"[h]:2222 ssh-ed25519 {BLOB} comment", "h", 2222, True),
        (f"[h]:2222 ssh-ed25519 {BLOB}", "h", 22, False),
        (f"a,b,192.0.2.1 ssh-ed25519 {BLOB}", "b", 22, True),
        (f"*.example.org,!x.example.org ssh-ed25519 {BLOB}", "a.example.org", 22, True),
        (f"*.example.org,!x.example.org ssh-ed25519 {BLOB}", "x.example.org", 22, False),
        (f"@cert-authority *.example.org ssh-ed25519 {BLOB}", "a.example.org", 22, True),
        (f"@revoked a ssh-ed25519 {BLOB}", "a", 22, False),
        (f"{hashed('h')} ssh-ed25519 {BLOB}", "h", 22, True),
        (f"{hashed('h')} ssh-ed25519 {BLOB}", "g", 22, False),
        (f"{hashed('[h]:2222')} ssh-ed25519 {BLOB}", "h", 2222, True),
    ],
)
def test_a_host_is_found_as_openssh_finds_it(line: str, host: str, port: int, named: bool) -> None:
    for text in (line, f"# comment\r\n\r\n{line}\r\n", f"x ssh-ed25519 {BLOB}\\n{line}"):
        assert parse_known_hosts(text).names(host, port) is named


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{LINE}\ngithub.com ssh-ed25519", "has a line 2 that is not a host, a key type and a key"),
        (f"ssh-ed25519 {BLOB} me", "has a key without its host in line 1"),
        (f"github.com ssh-rsa {BLOB}", "has a line 1 whose key is ssh-ed25519"),
        (f"github.com ssh-ed25519 {BLOB[:-4]}", "has a damaged key in line 1"),
        (f"github.com ssh-ed25519 {BLOB[:-2]}??", "has a damaged key in line 1"),
        ("github.com ssh-ed25519 AAAA", "has a damaged key in line 1"),
        (f"@trusted github.com ssh-ed25519 {BLOB}", "has an unknown marker in line 1"),
        (f"|1|abc|def ssh-ed25519 {BLOB}", "a hashed host in line 1 that is damaged"),
        ("# only a comment", "has no line with a host"),
        ("SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU", "is not a host, a key type and a key"),
    ],
)
def test_a_line_that_openssh_could_not_use_is_refused_by_its_number(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_known_hosts(text)
    assert reason in str(caught.value)
