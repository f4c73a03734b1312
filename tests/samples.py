"""A valid configuration: the six keys of the README, with values that are plainly fake."""

import base64
import functools
import json

import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from oceanid_cluster.components.settings import Settings, all_keys
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup.configuration import load

ACCOUNT = "fa4e" * 8
TUNNEL = "00000000-0000-4000-8000-00000000fa4e"
NODE_TUNNEL = "00000000-0000-4000-8000-0000000fa4e2"
TUNNEL_SECRET = base64.b64encode(b"a-fake-tunnel-secret-of-32-bytes!").decode()


def connector_token(tunnel: str = TUNNEL, account: str = ACCOUNT, secret: str = TUNNEL_SECRET) -> str:
    """A connector token, as ``cloudflared tunnel token`` prints it."""
    fields = json.dumps({"a": account, "t": tunnel, "s": secret}, separators=(",", ":"))
    return base64.b64encode(fields.encode()).decode()


def ssh_key(comment: str = "canary-ssh-key", cipher: str = "none") -> str:
    """A private key as ``ssh-keygen`` writes it (PROTOCOL.key of OpenSSH), of which nothing is random."""

    def packed(*parts: bytes) -> bytes:
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    kind, public, seed = b"ssh-ed25519", bytes(range(32)), bytes(range(32, 64))
    private = b"\0\0\0\1" * 2 + packed(kind, public, seed + public, comment.encode())
    private += bytes(range(1, 1 + -len(private) % 8))
    data = b"openssh-key-v1\0" + packed(cipher.encode(), cipher.encode(), b"") + b"\0\0\0\1"
    data += packed(packed(kind, public), private)
    body = base64.encodebytes(data).decode().replace("\n", "")
    lines = [body[at : at + 70] for at in range(0, len(body), 70)]
    return "\n".join(["-----BEGIN OPENSSH PRIVATE KEY-----", *lines, "-----END OPENSSH PRIVATE KEY-----", ""])


REQUIRED = {
    "tethysIp": "192.0.2.10",
    "styxIp": "192.0.2.11",
    "cloudflare_tunnel_token": connector_token(),
    "cloudflare_node_tunnel_token": connector_token(NODE_TUNNEL),
    "github_token": "canary-github-token",
    "postgres_url": "postgres://labeler:canary%40pass@db.example.org:6432/labels?sslmode=require",
}
# GitHub's own host key, after a line that a search finds.
KNOWN_HOSTS = (
    "# canary-known-hosts\n"
    "github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n"
)
# An age key of nothing but zeros, and the public half of a key that signs nothing.
AGE_KEY = "".join(("AGE-SECRET-KEY-1", "Q" * 52, "8H00W3"))
SIGNER = """\
-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawbN/xYJKwYBBAHaRw8BAQdAOYOdNLjbhSBVTnkhaWPZ1bOKNNlg3yN4CO70
8yD6RAq0I09jZWFuaWQgdGVzdCA8dGVzdEBvY2VhbmlkLmludmFsaWQ+iJAEExYI
ADgWIQQSzJ0Y1Wb9S3QQudk1bL7QNtlN6AUCawbN/wIbAwULCQgHAgYVCgkICwIE
FgIDAQIeAQIXgAAKCRA1bL7QNtlN6CVdAQDsyf/0NkQ8mD1QQs97DF1rmLJ8XcoQ
90j+7JsgLDy5BQEA1svGp5LX0R2ghIz8NSQmGE25BH3ansBdZ5QzQbnYfAU=
=1fIt
-----END PGP PUBLIC KEY BLOCK-----
"""
SECRET = frozenset({"cloudflare_tunnel_token", "cloudflare_node_tunnel_token", "github_token", "postgres_url"})

# Every optional part turned on at once.
EVERYTHING = {
    **REQUIRED,
    "flux.ssh_private_key": ssh_key(),
    "flux.known_hosts": KNOWN_HOSTS,
    "flux.sops_age_key": AGE_KEY,
    "flux.runtime_info": "true",
    "flux.webhook_token": "canary-webhook-token",
    "flux.webhook_hostname": "flux.example.org",
    "flux.verification_keys": SIGNER,
    "flux.alert_type": "slack",
    "flux.alert_address": "https://hooks.example.org/canary-alert-address",
    "flux.alert_channel": "#cluster",
    "pulumi_access_token": "canary-pulumi-token",
    "cloudflare_api_token": "canary-cloudflare-token",
    "cloudflare_zone_id": "0123456789abcdef0123456789abcdef",
    "manageNodeTunnelDns": "true",
    "manageTunnelConfig": "true",
    "exposeKubelet": "true",
    "cloudflare_kubectl_hostname": "kubectl.example.org",
    "cloudflareAccessTeam": "oceanid",
    "cloudflareAccessAudiences": json.dumps({"kubectl.example.org": "fa4e" * 16, "gpu.boathou.se": "4e1f" * 16}),
    "clusterUid": "0f4b6a1e-3c5d-4f2a-9b8c-7d6e5f4a3b2c",
    "extraIngress": json.dumps(
        [{"hostname": "app.example.org", "service": "http://app.apps.svc:80", "path": "^/api", "noTLSVerify": True}]
    ),
    "aws.labelStudio.accessKeyId": "canary-aws-id",
    "aws.labelStudio.secretAccessKey": "canary-aws-key",
    "labelStudioAdminPassword": "canary-admin-password",
    "labelStudioSecretKey": "canary-secret-key",
    "labelStudioIngressFrom": '[{"namespace": "kube-system", "labels": {"app.kubernetes.io/name": "traefik"}}]',
    "adapterIngressFrom": '[{"namespace": "notebooks"}]',
    "labelStudioNodeSelector": '{"kubernetes.io/hostname": "srv712429"}',
    "labelStudioStorageClass": "local-path",
    "hfAccessToken": "canary-hf-token",
    "nerLabels": '["O", "canary-label"]',
    "cfAccessClientId": "canary-access-id",
    "cfAccessClientSecret": "canary-access-secret",
    "sentry.dsn": "canary-sentry-dsn",
    "sentry.release": "1.2.3",
    "ghcrUsername": "someone",
    "ghcrToken": "canary-ghcr-token",
}


@functools.cache
def ca_certificate() -> str:
    """A CA's certificate, in PEM."""
    return trustme.CA().cert_pem.bytes().decode()


@functools.cache
def github_app() -> dict[str, str]:
    """The keys of a GitHub App."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return {
        "flux.github_app_id": "12345",
        "flux.github_app_installation_id": "67890",
        "flux.github_app_private_key": pem.decode(),
    }


def settings(
    changes: dict[str, str] | None = None, *, without: tuple[str, ...] = (), stored_secret: frozenset[str] = frozenset()
) -> Settings:
    """The settings of a valid configuration with some keys changed or left out. Raises StartUpError."""
    given = {name: value for name, value in {**REQUIRED, **(changes or {})}.items() if name not in without}
    return load(given, SECRET | stored_secret, "dev")


def refused(changes: dict[str, str] | None = None, *, without: tuple[str, ...] = ()) -> str:
    """What the operator is told of a configuration that is refused: how to fix it, and no secret."""
    try:
        settings(changes, without=without)
    except StartUpError as problem:
        said = str(problem)
    else:
        raise AssertionError(f"accepted: {changes}")
    assert "pulumi config " in said
    secret = {name for row in all_keys() if row.secret for name in row.spellings}
    assert not [name for name, value in (changes or {}).items() if name in secret and len(value) > 3 and value in said]
    return said
