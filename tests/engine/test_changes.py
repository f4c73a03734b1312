"""After the first run: a change is exactly that change, a rotation rolls its own pods, drift is seen and mended."""

import base64
import json

import pytest

from tests.engine.conftest import Engine
from tests.samples import NODE_TUNNEL, TUNNEL, connector_token

OTHER_SECRET = base64.b64encode(b"another-fake-tunnel-secret-here!").decode()


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("cloudflareTunnelReplicas", "3", {"cloudflare-deployment"}),
        ("gitRepositoryIntervalSeconds", "90", {"gitops-git-repo"}),
        ("adapterImageTag", "1.2.3", {"ls-triton-adapter-deploy"}),
        (
            "extraIngress",
            '[{"hostname": "app.example.org", "service": "http://app.apps.svc:80"}]',
            {"cloudflare-config", "cloudflare-deployment"},
        ),
        ("exposeKubelet", "true", {"node-tunnels-config", "node-tunnels-daemonset"}),
    ],
)
def test_a_change_is_exactly_that_change(clean: Engine, key: str, value: str, expected: set[str]) -> None:
    clean.configure(key, value)
    assert clean.planned() == dict.fromkeys(expected, "update")
    clean.up()
    assert clean.planned() == {}


@pytest.mark.parametrize(
    ("key", "value", "secret", "rolled"),
    [
        ("github_token", "canary-rotated", "github-token", None),
        (
            "cloudflare_tunnel_token",
            connector_token(TUNNEL, secret=OTHER_SECRET),
            "cloudflared-credentials",
            "cloudflared",
        ),
        (
            "cloudflare_node_tunnel_token",
            connector_token(NODE_TUNNEL, secret=OTHER_SECRET),
            "tunnel-credentials",
            "cloudflared-tunnel",
        ),
        ("postgres_url", "postgres://u:canary-rotated@db/labels", "labelstudio-db-credentials", "label-studio"),
    ],
)
def test_a_rotated_secret_rolls_its_own_pods_and_no_others(
    clean: Engine, key: str, value: str, secret: str, rolled: str | None
) -> None:
    def pods() -> dict[str, str]:
        return {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in clean.objects("pods")}

    clean.configure(key, value, secret=True)
    before = pods()
    answer = clean.up()
    gone = {before[uid].rsplit("-", 2)[0] for uid in before.keys() - pods().keys()}
    gone |= {before[uid].rsplit("-", 1)[0] for uid in before.keys() - pods().keys() if rolled == "cloudflared-tunnel"}
    assert rolled is None or rolled in gone
    assert (
        gone <= {rolled, "cloudflared"} if rolled == "cloudflared-tunnel" else gone == ({rolled} if rolled else set())
    )
    (live,) = [o for o in clean.objects("secrets") if o["metadata"]["name"] == secret]
    values = "".join(base64.b64decode(text).decode() for text in live["data"].values())
    assert value in values or "canary-rotated" in values
    assert value not in answer.stdout + answer.stderr


def test_drift_is_seen_by_refresh_and_mended_by_up(clean: Engine) -> None:
    clean.kubectl("-n", "cloudflared", "set", "image", "deployment/cloudflared", "cloudflared=example.org/other:1")
    clean.kubectl(
        "-n", "cloudflared", "patch", "configmap", "cloudflared-config", "-p", '{"data": {"config.yaml": "x"}}'
    )
    clean.kubectl("-n", "apps", "delete", "service", "ls-triton-adapter")
    clean.kubectl("label", "node", "calypso", "--overwrite", "oceanid.cluster/gpu=none", "somebody.else/label=kept")
    seen = clean.pulumi("preview", "--refresh", "--expect-no-changes")
    assert seen.returncode != 0
    answer = clean.pulumi("up", "--yes", "--skip-preview", "--refresh", "--json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (image,) = [
        o["spec"]["template"]["spec"]["containers"][0]["image"]
        for o in clean.objects("deployments.apps")
        if o["metadata"]["name"] == "cloudflared"
    ]
    assert image.startswith("docker.io/cloudflare/cloudflared:")
    (config,) = [o for o in clean.objects("configmaps") if o["metadata"]["name"] == "cloudflared-config"]
    assert "ingress:" in config["data"]["config.yaml"]
    assert "service/ls-triton-adapter" in clean.kubectl("-n", "apps", "get", "service", "-o", "name")
    labels = json.loads(clean.kubectl("get", "node", "calypso", "-o", "json"))["metadata"]["labels"]
    assert labels["oceanid.cluster/gpu"] == "rtx4090"
    assert labels["somebody.else/label"] == "kept"
    assert clean.planned() == {}
    clean.kubectl("label", "node", "calypso", "somebody.else/label-")


def test_no_secret_is_in_clear_in_state_logs_pods_or_annotations(clean: Engine) -> None:
    canary = "canary-7f3a"
    clean.configure("github_token", canary, secret=True)
    clean.configure("postgres_url", f"postgres://u:{canary}@db/labels", secret=True)
    clean.configure("hfAccessToken", canary, secret=True)
    output = [clean.pulumi("preview", "--diff"), clean.up(), clean.pulumi("stack", "output", "--json")]
    shown = "".join(answer.stdout + answer.stderr for answer in output)
    files = [path for path in (clean.sandbox.home / "state").rglob("*") if path.is_file()]
    stored = b"".join(path.read_bytes() for path in files)
    live = json.dumps(clean.objects("pods", "deployments", "daemonsets", "configmaps", "events"))
    kubeconfig_token = (clean.sandbox.home / "token").read_text(encoding="utf-8").split(",")[0]
    for secret in (canary, kubeconfig_token):
        for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]):
            assert form not in shown
            assert form.encode() not in stored
            assert form not in live
    assert base64.b64encode(canary.encode()).decode() in clean.kubectl("get", "secrets", "-A", "-o", "json")
