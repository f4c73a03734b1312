"""Deploy keys: what they are copied with is undone, a passphrase is refused, and none of a key is shown."""

import subprocess
from pathlib import Path

import pytest

from oceanid_cluster.config.ssh_keys import knows_host, parse_private_key, unescaped
from tests.samples import ssh_key


def keygen(folder: Path, *options: str) -> tuple[str, str]:
    """A pair of keys as ssh-keygen makes it: private, public."""
    path = folder / f"key{len(list(folder.iterdir()))}"
    subprocess.run(["ssh-keygen", "-q", "-f", path, *options], check=True, capture_output=True)
    return path.read_text(encoding="utf-8"), path.with_suffix(".pub").read_text(encoding="utf-8")


def without_a_line(key: str) -> str:
    """A key of which the line in the middle is lost."""
    lines = key.splitlines()
    del lines[len(lines) // 2]
    return "\n".join(lines)


def refusal(text: str) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_private_key(text)
    assert not [line for line in text.splitlines() if len(line) > 30 and line[0] != "-" and line in str(caught.value)]
    return str(caught.value)


DAMAGED = (
    without_a_line(ssh_key()),
    ssh_key().replace("\n-----END", "====\n-----END"),
    ssh_key().replace("b3BlbnNz", "b3Blb*Nz"),
    ssh_key().replace("b3BlbnNz", "B3BlbnNz"),
    ssh_key().replace("OPENSSH", "RSA"),
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA==\n-----END EC PRIVATE KEY-----",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("-t", "ed25519"), ("-t", "rsa"), ("-t", "ecdsa"), ("-t", "rsa", "-m", "PEM"), ("-t", "ecdsa", "-m", "PEM"),
        ("-t", "rsa", "-m", "PKCS8"), ("-t", "ecdsa", "-m", "PKCS8"),
    ],
    ids="-".join,
)  # fmt: skip
def test_every_key_that_ssh_keygen_makes_is_taken_however_it_was_pasted(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    private, public = keygen(tmp_path, *options, "-N", "")
    one_line = private.strip().replace("\n", "\\n")
    twice = one_line.replace("\\", "\\\\")
    for pasted in (
        private,
        private.replace("\n", "\r\n"),
        one_line,
        f'"{one_line}"',
        twice,
        private.replace("\n", " "),
    ):
        file = tmp_path / "kept"
        file.write_text(parse_private_key(pasted), encoding="utf-8")
        file.chmod(0o600)
        shown = subprocess.run(["ssh-keygen", "-y", "-f", file], capture_output=True, text=True, check=True).stdout
        assert shown.split()[:2] == public.split()[:2]
    for other in (public, private[: len(private) // 2]):
        assert "is not one whole private key" in refusal(other)
    assert "is damaged" in refusal(without_a_line(private))
    assert "has a passphrase" in refusal(keygen(tmp_path, *options, "-N", "a passphrase")[0])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ssh_key(cipher="aes256-ctr"), "has a passphrase"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----", "has a passphrase"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "is not one whole private key"),
        (f"{ssh_key()}{ssh_key()}", "is not one whole private key"),
        *((text, "is damaged: something is missing or changed") for text in DAMAGED),
        ("~/.ssh/id_ed25519", "is not one whole private key"),
    ],
)
def test_only_a_private_key_without_a_passphrase_is_accepted(text: str, reason: str) -> None:
    assert reason in refusal(text)


def test_a_pattern_of_many_wildcards_is_answered_at_once() -> None:
    assert not knows_host(f"{'*a' * 40}b ssh-ed25519 AAAA", "a" * 200, 22)
    assert knows_host("git*.??ample.org ssh-ed25519 AAAA", "github.example.org", 22)


def test_windows_line_ends_make_no_empty_lines() -> None:
    """One in front of the headers of an OpenPGP key would end them."""
    assert unescaped("a\r\nComment: b\r\n\r\nc\rd\r\n") == "a\nComment: b\n\nc\nd"
