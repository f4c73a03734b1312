"""Random configurations: strategies that the fuzz tests share, and what must hold of each case."""

import json
from collections.abc import Mapping

from hypothesis import strategies as st

from oceanid_cluster.components.flux.settings import ALERT_TYPES
from oceanid_cluster.components.settings import Settings, all_keys
from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup.configuration import load
from tests.samples import AGE_KEY, KNOWN_HOSTS, NODE_TUNNEL, REQUIRED, SIGNER, TUNNEL, connector_token, ssh_key

CANARY = "canary-0f3a7c"
WORD = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
HOST = st.lists(WORD, min_size=2, max_size=4).map(".".join)
SECRET = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=20).map(CANARY.__add__)
TOKEN = st.from_regex(r"[A-Za-z0-9._~+/-]{0,20}={0,2}", fullmatch=True).map(CANARY.__add__)
QUANTITY = st.builds("{}{}".format, st.integers(1, 999), st.sampled_from(["", "m", "k", "Ki", "Mi", "Gi"]))
IMAGE = st.builds("{}/{}:{}".format, HOST, WORD, WORD)
RULES = st.lists(
    st.fixed_dictionaries(
        {"hostname": HOST, "service": st.builds("http://{}:{}".format, HOST, st.integers(1, 65535))},
        optional={"path": st.just("^/api"), "noTLSVerify": st.booleans()},
    ),
    max_size=3, unique_by=lambda rule: (rule["hostname"], rule.get("path")),
)  # fmt: skip
PEERS = st.lists(
    st.fixed_dictionaries({"namespace": WORD}, optional={"labels": st.dictionaries(WORD, WORD, max_size=2)}),
    max_size=2,
)  # fmt: skip
URL = st.builds(
    "postgres://{}:{}@{}:{}/{}{}".format, WORD, st.just(CANARY), HOST, st.integers(1, 65535), WORD,
    st.sampled_from(["", "?sslmode=require"]),
)  # fmt: skip
# Requests alone, small enough for the limits that they are merged with.
AMOUNTS = st.sampled_from(["{}", '{"requests": {"cpu": "100m"}}', '{"requests": {"memory": "200Mi"}}'])
_FLAGS = (
    "manageNodeLabels", "adoptExisting", "enablePulumiOperator", "enableTritonAdapter", "exposeKubelet", "trainDryRun",
    "enableImageAutomation", "enableCloudflareTunnel", "enableNodeTunnels", "enableLabelStudio",
    "confinePulumiOperator",
)  # fmt: skip
# What a valid configuration may set beside the six required keys; keys in one entry go together.
OPTIONAL: list[Mapping[str, st.SearchStrategy[str]]] = [
    *({flag: st.sampled_from(["true", "false"])} for flag in _FLAGS),
    {"clusterName": WORD},
    {"calypsoIp": st.ip_addresses(v=6).map(str)},
    {"readyTimeoutMinutes": st.integers(1, 60).map(str)},
    {"gitRepositoryBranch": WORD},
    {"gitRepositoryPath": st.lists(WORD, min_size=1, max_size=3).map("/".join)},
    {"flux.ssh_private_key": SECRET.map(ssh_key), "flux.known_hosts": st.just(KNOWN_HOSTS)},
    {"flux.sops_age_key": st.just(AGE_KEY)},
    {"flux.runtime_info": st.sampled_from(["true", "false"])},
    {"flux.webhook_token": TOKEN, "flux.webhook_hostname": HOST.map("webhook-of-git.".__add__)},
    {"flux.verification_keys": st.just(SIGNER)},
    {
        "flux.alert_type": st.sampled_from([*ALERT_TYPES]),
        "flux.alert_address": st.builds("https://{}/{}".format, HOST, WORD),
    },
    {"pulumi_access_token": TOKEN},
    {"cloudflare_tunnel_hostname": HOST.map("kubernetes-api.".__add__)},
    {"cloudflare_kubectl_hostname": HOST.map("kubectl.".__add__)},
    {
        "cloudflareAccessTeam": WORD,
        "labelStudioHostname": st.just("ls.reef.example"),
        "cloudflareAccessAudiences": st.just(json.dumps({"ls.reef.example": "fa4e" * 16})),
    },
    {"cloudflared_image": IMAGE},
    {"cloudflareProtocol": st.sampled_from(["auto", "http2", "quic"])},
    {"cloudflareTunnelReplicas": st.integers(1, 25).map(str)},
    {"metricsPort": st.integers(1024, 65535).map(str)},
    {"cloudflareTunnelResources": AMOUNTS},
    {"cloudflare_node_tunnel_hostname": HOST},
    {"labelStudioResources": AMOUNTS},
    {"labelStudioStorage": QUANTITY},
    {"labelStudioNodeSelector": st.dictionaries(WORD, WORD, max_size=2).map(json.dumps)},
    {"labelStudioAdminEmail": st.builds("{}@{}".format, WORD, HOST)},
    {"labelStudioAdminPassword": SECRET},
    {"labelStudioSecretKey": SECRET},
    {"labelStudioIngressFrom": PEERS.map(json.dumps)},
    {"adapterIngressFrom": PEERS.map(json.dumps)},
    {"clusterDomain": HOST},
    {"cloudflareEdgeIpVersion": st.sampled_from(["auto", "4", "6"])},
    {"trainingNodeSelector": st.builds("{}={}".format, WORD, WORD)},
    {"aws.labelStudio.accessKeyId": TOKEN, "aws.labelStudio.secretAccessKey": TOKEN},
    {"extraIngress": RULES.map(json.dumps)},
    {"nerLabels": st.lists(SECRET, min_size=1, max_size=3, unique=True).map(json.dumps)},
    {"cfAccessClientId": TOKEN, "cfAccessClientSecret": TOKEN},
    {"hfAccessToken": TOKEN},
    {"sentry.dsn": SECRET},
    {"ghcrUsername": WORD, "ghcrToken": TOKEN},
    {"trainingGpuCount": st.integers(0, 16).map(str)},
]
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.just(CANARY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD | st.sampled_from(["hostname", "limits"]), inner),
    max_leaves=8,
)  # fmt: skip


@st.composite
def valid(draw: st.DrawFn) -> dict[str, str]:
    """A configuration that must be accepted."""
    config = {**REQUIRED, "github_token": draw(TOKEN), "postgres_url": draw(URL)}
    for group in draw(st.lists(st.sampled_from(OPTIONAL), max_size=8)):
        config |= {name: draw(strategy) for name, strategy in group.items()}
    return config


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, str]:
    """A configuration with some keys lost, misspelt, or holding anything."""
    config = draw(valid())
    rows = all_keys()
    for _ in range(draw(st.integers(1, 4))):
        name = draw(
            st.sampled_from(sorted(config)) | st.sampled_from(rows).flatmap(lambda row: st.sampled_from(row.spellings))
        )
        change = draw(st.sampled_from(["lose", "cut", "replace", "json", "misspell", "swap"]))
        value = config.pop(name, "")
        if change == "cut":
            config[name] = value[: draw(st.integers(0, len(value)))]
        elif change == "replace":
            config[name] = draw(st.text() | st.just(CANARY * 9))
        elif change == "json":
            config[name] = json.dumps(draw(JSON))
        elif change == "misspell":
            config[name[:-1]] = value
        elif change == "swap":
            config[name] = connector_token(draw(st.sampled_from([TUNNEL, NODE_TUNNEL])))
    return config


def judge(config: Mapping[str, str]) -> Settings | None:
    """Load a configuration; None if it is refused. A refusal must be clear, and show nothing of a secret."""
    names = {name for row in all_keys() if row.secret for name in row.spellings}
    secret = {text for name, text in config.items() if name in names}
    plain = [text for name, text in config.items() if name not in names]
    try:
        settings = load(config, frozenset(), "dev")
    except StartUpError as problem:
        settings, shown = None, str(problem)
    else:
        shown = f"{settings.warnings} {settings!r}"
    if settings is None:
        plain = [text for text in plain if text not in secret]  # a secret in the wrong key is still one
        assert "problem" in shown.partition("\n")[0]
        assert "pulumi config " in shown
    for value in (CANARY, *secret):
        if len(value) >= len(CANARY) and not any(value in text for text in plain):
            assert value not in shown, "a secret shows"
    return settings
