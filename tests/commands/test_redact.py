"""What the steps of the workflows print holds no secret, whatever an engine, a provider or a tool says."""

import base64
import json
import os
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import yaml

from oceanid_cluster.commands.redact import HIDDEN, Redactor, forms, kubeconfig_secrets
from oceanid_cluster.startup.processes import CommandError
from sandbox import tools
from tests.samples import TUNNEL, connector_token

SECRET = 'pa+ss/w&rd<é>"7'


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps({"a": SECRET}),
        json.dumps({"a": SECRET}, ensure_ascii=False),
        '{"a": "pa+ss/w\\u0026rd\\u003c\\u00e9\\u003e\\"7"}',
        *(base64.b64encode(f"{before}{SECRET}".encode()).decode() for before in ("", "x", "xy")),
        *(base64.b64encode(f"{before}{SECRET}:".encode()).decode() for before in ("", "x", "xy")),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)  # fmt: skip
def test_a_secret_is_hidden_in_every_encoding(shown: str) -> None:
    text = Redactor([SECRET]).text(f"before {shown} after")
    assert HIDDEN in text
    assert "rd" not in text.replace("after", "").replace("before", "")
    assert text.startswith("before ")
    assert text.endswith(" after")


def test_base64_is_found_at_each_alignment_without_luck() -> None:
    secret = "no-mixed-letters-here"
    for before in ("", "x", "xy", "xyz"):
        encoded = base64.b64encode(f"{before}{secret}:".encode()).decode()
        assert any(form in encoded for form in forms(secret) if form != secret), before


def test_what_is_inside_a_secret_is_hidden_too() -> None:
    inner = base64.b64encode(b"inner-secret-of-a-tunnel").decode()
    key = "-----BEGIN KEY-----\nlower-case-line-of-a-private-key\n-----END KEY-----\n"
    known = Redactor(
        [
            connector_token(TUNNEL, secret=inner),
            "postgres://user:p%40ssword@db.example.org/labels",
            json.dumps({"AccountTag": "account", "TunnelSecret": inner}),
            key,
        ]
    )
    for leak in ("inner-secret-of-a-tunnel", inner, "p%40ssword", "p@ssword", "lower-case-line-of-a-private-key"):
        assert leak not in known.text(f"error: unexpected {leak}, sorry"), leak
    public = f"tunnel {TUNNEL} at db.example.org for user"
    assert known.text(public) == public


def test_a_short_secret_hides_words_and_no_parts_of_words() -> None:
    assert Redactor(["abc"]).text("abc abcd xabc 'abc'") == f"{HIDDEN} abcd xabc '{HIDDEN}'"


def test_what_chance_made_is_hidden_and_what_people_named_is_not() -> None:
    generated = "vR3kq9TzLm2XcP8wYb5NdG7h"
    known = Redactor([])
    assert known.text(f"data[admin-password:{{{generated}}}]") == f"data[admin-password:{{{HIDDEN}}}]"
    assert known.text(base64.b64encode(generated.encode()).decode()) == HIDDEN
    for name in (
        "kustomizations.kustomize.toolkit.fluxcd.io",
        "label-studio-deploy-7d9f8b6c5d-x2x9k",
        "urn:pulumi:prod::oceanid-cluster::oceanid:core:CloudflareTunnel$kubernetes:apps/v1:Deployment::cloudflare-deployment",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "CLUSTER STACK CANNOT RUN IN GITHUB ACTIONS",
        "https://kubernetes.default.svc.cluster.local:443/readyz",
        "2026-11-25T07:47:15Z",
        "failed to fully initialize or become live",
        "oceanid_cluster/components/label_studio/component.py",
        "ReadWriteOncePersistentVolumeClaimRetentionPolicy",
    ):
        assert known.text(name) == name


def test_no_text_gives_the_runner_a_command() -> None:
    shown = Redactor([]).text("::add-mask::x\n  ::stop-commands::y\nsee ##[error]z\na::b")
    assert shown == ": :add-mask::x\n  : :stop-commands::y\nsee ## [error]z\na::b"


USERS = {
    "in-use": {
        "token": "token-in-clear",
        "tokenFile": "token",
        "username": "admin",
        "client-key": "key.pem",
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "login",
            "args": ["get-token", "--client-secret=secret-of-an-argument", "--password", "word-after-it"],
            "env": [
                {"name": "LOGIN_TOKEN", "value": "secret-of-the-plugin"},
                {"name": "AWS_PROFILE", "value": "production-of-oceanid"},
            ],
        },
    },
    "another": {"password": "pass", "username": "somebody"},
    "oidc": {
        "auth-provider": {
            "name": "oidc",
            "config": {"refresh-token": "refresh-token-of-oidc", "idp-issuer-url": "https://accounts.example.org"},
        }
    },
}
SECRETS = (
    "token-in-clear", "token-of-a-file", "secret-of-an-argument", "word-after-it", "secret-of-the-plugin", "pass",
    "refresh-token-of-oidc", base64.b64encode(b"lower-case-key").decode(),
)  # fmt: skip
WORDS = "the cluster kubernetes of user admin, context prod, production-of-oceanid, https://accounts.example.org"


def kubeconfig(folder: Path) -> dict[str, Any]:
    """A kubeconfig of several users, with its files beside it."""
    (folder / "token").write_text("token-of-a-file", encoding="utf-8")
    (folder / "key.pem").write_text("lower-case-key", encoding="utf-8")
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "prod",
        "clusters": [{"name": "kubernetes", "cluster": {"server": "https://192.0.2.1"}}],
        "contexts": [{"name": "prod", "context": {"cluster": "kubernetes", "user": "in-use"}}],
        "users": [{"name": name, "user": user} for name, user in USERS.items()],
    }  # fmt: skip


@pytest.mark.parametrize("source", ["variable", "list", "key", "old key"])
def test_the_credentials_of_the_kubeconfig_in_use_are_known_and_its_words_are_not_hidden(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(kubeconfig(tmp_path)), encoding="utf-8")
    monkeypatch.chdir("/")
    given = {"key": {"kubeconfigPath": str(file)}, "old key": {"kubeconfig_path": str(file)}}.get(source, {})
    environ = {"variable": {"KUBECONFIG": str(file)}, "list": {"KUBECONFIG": f"/absent/config:{file}"}}.get(source, {})
    known = Redactor(kubeconfig_secrets(given, environ))
    for secret in SECRETS:
        assert secret not in known.text(f"error: {secret} is wrong"), secret
    assert known.text(WORDS) == WORDS


@pytest.mark.parametrize("text", ["users: 1", "[]", "a: [", "users: [{user: {exec: 1}}]", "", "x" * 9999, "\0"])
def test_a_file_that_is_not_a_kubeconfig_hides_nothing_and_breaks_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(text, encoding="utf-8")
    for path in (f"{tmp_path}/config", f"{tmp_path}/absent", "~nobody/x"):
        assert kubeconfig_secrets({}, {"KUBECONFIG": path}) == []
        assert kubeconfig_secrets({"kubeconfigPath": path}, {}) == []
    assert kubeconfig_secrets({}, {}) == []


def test_a_kubeconfig_in_use_that_is_not_read_whole_stops_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in it could not be hidden."""
    user, context = {"name": "a", "user": {"token": "canary"}}, {"name": "a", "context": {"cluster": "a", "user": "a"}}
    document = {
        "apiVersion": "v1", "kind": "Config", "current-context": "a", "users": [user], "contexts": [context],
        "clusters": [{"name": "a", "cluster": {"server": "https://192.0.2.1:6443"}}],
    }  # fmt: skip
    (tmp_path / "kubeconfig").write_text(json.dumps(document), encoding="utf-8")
    kubectl = shutil.which("kubectl")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for end, words in (("echo 'W1128 deprecated'", "gave no JSON"), ("kill -9 $$", "was ended by signal 9")):
        for minified in (f'exec {kubectl} "$@"', end):
            tools.script(tmp_path / "kubectl", f'case "$*" in *--minify*) {minified};; *) {end};; esac')
            with pytest.raises(CommandError, match=f"'kubectl' {words}"):
                kubeconfig_secrets({}, {"KUBECONFIG": str(tmp_path / "kubeconfig")})
