"""The documents say what the program does: its keys, its outputs, its commands."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from docs import keys
from oceanid_cluster.__main__ import COMMANDS, main
from oceanid_cluster.components.settings import CHAIN, COMPONENTS, all_keys
from oceanid_cluster.config.schema import PROJECT, keys_of
from tests.recorded import ROOT
from tests.samples import REQUIRED, settings

README = (ROOT / "README.md").read_text(encoding="utf-8")

DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(path for folder in ("docs", "examples", "migration") for path in (ROOT / folder).rglob("*.md")),
]

ORDER = [row.name for row in all_keys()]

# The table of the contract: no key of it may go.
CONTRACT = """
kubeconfigPath kubeContext allowedApiHosts adoptExisting clusterName tethysIp styxIp calypsoIp manageNodeLabels
enableFluxBootstrap enablePulumiOperator enableCloudflareTunnel enableNodeTunnels enableImageAutomation
enableLabelStudio enableTritonAdapter github_token flux.ssh_private_key flux.known_hosts gitRepositoryUrl
gitRepositoryBranch gitRepositoryPath gitRepositoryIntervalSeconds gitReconciliationSeconds fluxChart
fluxChartRepository fluxChartVersion pulumiOperatorChart pulumiOperatorChartVersion pulumi_access_token
cloudflare_tunnel_token cloudflare_node_tunnel_token cloudflare_tunnel_id cloudflare_node_tunnel_id
cloudflare_account_id cloudflare_tunnel_hostname cloudflare_tunnel_service_url cloudflare_node_tunnel_hostname
cloudflare_api_token cloudflare_zone_id manageNodeTunnelDns cloudflared_image cloudflare_node_tunnel_image
cloudflareProtocol cloudflareTunnelReplicas exposeKubelet imageUpdateAuthorName imageUpdateAuthorEmail
imageUpdateBranch imageUpdatePath readyTimeoutMinutes metricsPort cloudflare_node_tunnel_metrics_port
cloudflareTunnelResources cloudflare_node_tunnel_resources extraIngress postgres_url labelStudioHostname
labelStudioImage labelStudioStorage labelStudioStorageClass labelStudioNodeSelector labelStudioResources
labelStudioAdminEmail labelStudioAdminPassword aws.labelStudio.accessKeyId aws.labelStudio.secretAccessKey
aws.labelStudio.bucketName aws.labelStudio.region tritonBaseUrl adapterImage adapterImageTag trainingWorkerImage
trainingWorkerImageTag trainAsync trainDryRun trainingJobTtlSeconds trainingNodeSelector trainingGpuResource
trainingGpuCount tritonModelName hfDatasetRepo hfModelRepo hfAccessToken nerLabels cfAccessClientId
cfAccessClientSecret sentry.dsn sentry.environment sentry.release ghcrUsername ghcrToken migration_phase
manageTunnelConfig labelStudioSecretKey labelStudioIngressFrom adapterIngressFrom clusterDomain
cloudflareEdgeIpVersion nodes clusterUid flux.github_app_id flux.github_app_installation_id
flux.github_app_private_key flux.ca_certificate flux.sops_age_key flux.webhook_token flux.webhook_hostname
flux.runtime_info flux.verification_keys flux.alert_type flux.alert_address flux.alert_channel
"""


def test_the_example_of_a_stacks_file_is_made_from_the_keys() -> None:
    text = (ROOT / "Pulumi.example.yaml").read_text(encoding="utf-8")
    assert text == keys.example(), "run: make docs"
    assert yaml.safe_load(text) == {"config": {f"{PROJECT}:{name}": "" for name in sorted(REQUIRED, key=ORDER.index)}}
    named = re.findall(rf"^  (?:# )?{PROJECT}:(\S+):", text, re.MULTILINE)
    assert sorted(named) == sorted(ORDER)
    assert named[6:] == [name for name in ORDER if name not in REQUIRED]


def test_every_default_of_the_example_is_what_the_key_is_without_it() -> None:
    text = (ROOT / "Pulumi.example.yaml").read_text(encoding="utf-8")
    shown = dict(re.findall(rf"^  # {PROJECT}:(\S+): (.+)$", text, re.MULTILINE))
    assert len(shown) > 60
    known = {"<base>": "boathou.se", "<clusterDomain>": "cluster.local", "<stack>": "dev"}
    given: dict[str, str] = {}
    for name, value in shown.items():
        for word, meant in known.items():
            value = value.replace(word, meant)
        loaded = yaml.safe_load(value)
        given[name] = loaded if isinstance(loaded, str) else json.dumps(loaded)
    assert settings(given) == settings()


def test_every_key_of_the_contract_is_read() -> None:
    names = {row.name for row in all_keys()}
    assert set(CONTRACT.split()) <= names
    assert {"github.token", "pulumi.access_token", "labelStudioDbUrl"} <= {o for row in all_keys() for o in row.old}


def test_the_readmes_first_configuration_is_the_required_one() -> None:
    commands = set(re.findall(r"pulumi config set (?:--secret )?(\S+)", README.partition("## Configuration")[2]))
    assert set(REQUIRED) <= commands


def test_every_command_of_a_document_exists(capsys: pytest.CaptureFixture[str]) -> None:
    verbs = {"", *re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)}
    helps = {"": "--help", "command": "--help"}
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        helps[command] = capsys.readouterr().out
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        code = "\n".join(re.findall(r"```\w*\n.*?```|`[^`\n]+`", text, re.DOTALL))
        assert {*re.findall(r"\bmake (?:-s )?([a-z-]*)", code)} <= verbs, document.name
        for command, arguments in re.findall(r"python -m oceanid_cluster ?([a-z-]*)([^`\n]*)", code):
            assert all(option in helps[command] for option in re.findall(r"--[a-z-]+", arguments)), document.name


def test_every_file_that_a_document_names_exists() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_documented_command_that_would_take_its_providers_from_the_state_takes_those_of_the_program() -> None:
    """The kubeconfig in the state is the one of the last run. ``import`` alone has no such option: see the runbook."""
    from_state = re.compile(r"pulumi (?:refresh|destroy|(?:up|preview)\b[^`\n]*--refresh)\b[^`\n]*")
    documents = [*DOCUMENTS, *(ROOT / "oceanid_cluster").rglob("*.py")]
    found = [(path.name, text) for path in documents for text in from_state.findall(path.read_text(encoding="utf-8"))]
    others = {("labels.py", "pulumi destroy"), ("CHANGELOG.md", "pulumi destroy")}  # no commands
    assert {one for one in found if "--run-program" not in one[1]} == others
    assert len(found) > 10


def test_no_other_file_of_the_program_names_a_version() -> None:
    for path in Path(ROOT / "oceanid_cluster").rglob("*.py"):
        assert not re.search(
            r"(?<![<>=])\b20\d\d\.\d+\.\d+\b|[:@]v?\d+\.\d+\.\d+\b", path.read_text(encoding="utf-8")
        ), path


def test_the_table_of_names_is_that_of_the_program() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [re.findall(r"`([^`]+)`", line) for line in text.splitlines() if line.startswith("| `enable")]
    expected = [
        [
            keys_of(section)["enabled"].name, facts.type_token.rpartition(":")[2], facts.type_token, facts.logical_name,
            facts.namespace, facts.name,
        ]
        for section in COMPONENTS.values()
        for facts in [section.facts]
    ]  # fmt: skip
    assert rows == expected


def test_the_diagram_of_the_chain_shows_every_component() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert {*re.findall(r"\w+\[([A-Z]\w+)\]", text)} == {"NodeLabels", *(facts.name for facts in CHAIN)}


def test_every_place_where_a_rule_is_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Where a rule is")[2]
    places = re.findall(r"`([\w/<>-]+\.(?:py|yaml))`", text)
    assert len(places) > 10
    for place in places:
        assert [*(ROOT / "oceanid_cluster").glob(place.replace("<name>", "*"))], place


# Words of our own, and sentences that are not English, by pattern: what to write instead.
NOT_ENGLISH = {
    r"(?i:\bmend(s|ed|ing)?\b)": "fix, repair",
    r"(?i:\bnot at hand\b)": "missing",
    r"(?i:\bfor ever\b)": "permanently",
    r"(?i:\bis content with\b)": "requires",
    r"(?i:\btold apart\b)": "distinguished",
    r"(?i:\bpassed over\b)": "skipped",
    r"(?i:\blandmarks?\b)": "workload",
    r"(?i:\bstand-ins?\b)": "fake",
    r"(?i:\bremed(y|ies)\b)": "fix",
    r"(?i:\btakes over\b)": "adopts",
    r"(?i:\bprojected\b)": "pruned",
    r"(?<!there )\b(?:is|are) none\b(?! of)": "is not a Kubernetes API server",
    r"(?<!there )\b(?:is|are) no (?!longer\b|more\b|such\b)": "is not a kubeconfig",
    r"\bmay stay\b": "quotes around the value are removed",
    r"\b(?:said|says) nothing\b(?! (?:of|about|beyond))": "failed without output",
    r"\bcounts\b(?! (?:the|them)\b| =|})|\bcount as\b": "KUBECONFIG takes precedence",
    r"\b(?:and|;) that stays\b": "ignored: the existing volume has 10Gi",
    r"\b(?:of|by|to) which nobody\b": "clears pending creates",
    r"\bin vain\b|\bwished for\b": "changing the volume only warns",
    r"\b(?:what|it) (?:it )?cannot help\b": "known limitations",
    r"\bonly one that is fixed\b": "only the latest commit gets security fixes",
    r"\bwhat runs nothing\b": "objects without pods",
    r"\b(?:cannot|can|could) be had\b": "an unavailable chart",
    r"\banew\b": "was recreated",
    r"\bbelongs? into\b": "credentials belong in their own keys",
    r"\b(?:to|for) who\b": "nobody can guess",
}


def written() -> dict[str, str]:
    """The text of each tracked file that people read, by name: documents, code, workflows."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return {
        name: (ROOT / name).read_text(encoding="utf-8")
        for name in tracked
        if name.endswith((".md", ".py", ".yaml", ".yml", "Makefile")) and name != "tests/test_documents.py"
    }


def test_sentences_and_names_are_english() -> None:
    """Sentences may go over the end of a line; names of tests are sentences, too."""
    pattern = re.compile("|".join(NOT_ENGLISH))
    found = {
        (name, sentence[0])
        for name, text in written().items()
        for sentence in pattern.finditer(re.sub(r"[\s_]+(?:# )?", " ", text))
    }
    assert found == set()


RUNBOOK_ENTRY = r"""docs/runbook\.md,? ["']([A-Z][^"'\n]+)["']"""


def test_the_runbook_lets_a_lost_state_adopt_every_helm_release() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    for release in (one for facts in CHAIN for one in facts.release_refs()):
        assert f"kubectl -n {release.namespace} delete secret -l owner=helm,name={release.name}\n" in runbook


def test_every_entry_of_the_runbook_that_a_message_names_exists() -> None:
    entries = re.findall(r"^## (.*)$", (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = [(name, entry) for name, text in written().items() for entry in re.findall(RUNBOOK_ENTRY, text)]
    assert len(named) > 12
    assert [one for one in named if one[1] not in entries] == []


def test_make_help_shows_commands_as_they_are_typed() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert '  env       for eval "$(make -s env)": ' in shown
    assert "$$" not in shown
    verbs = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert re.findall(r"^  ([a-z-]+) ", shown, re.MULTILINE) == verbs
