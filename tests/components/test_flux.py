"""Flux: what it reads Git with, what Git may use of the configuration, and the pairs of keys that go together."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from oceanid_cluster.components.flux.component import CRD_TYPE, POLICY_TYPE, SERVICE_TYPE, receiver
from oceanid_cluster.components.flux.settings import ALERT_TYPES
from oceanid_cluster.config.secret import Secret
from oceanid_cluster.manifests import labels
from tests.program import PRUNE, RECONCILE, Program, annotations, transformed
from tests.recorded import Run, dependencies, plain, run_program, secret_data
from tests.samples import (
    AGE_KEY,
    EVERYTHING,
    KNOWN_HOSTS,
    REQUIRED,
    SIGNER,
    ca_certificate,
    github_app,
    refused,
    settings,
    ssh_key,
)

SSH = {"flux.ssh_private_key": ssh_key(), "flux.known_hosts": KNOWN_HOSTS}
# Of the CRD of Provider (notification-controller v1.8.4, api/v1beta3/provider_types.go).
PROVIDER_TYPES = """
slack discord msteams rocket generic generic-hmac github gitlab gitea giteapullrequestcomment bitbucketserver bitbucket
azuredevops googlechat googlepubsub webex sentry azureeventhub telegram lark matrix opsgenie alertmanager grafana
githubdispatch githubpullrequestcomment gitlabmergerequestcomment pagerduty datadog nats zulip otel
"""
COMMIT_STATUSES = {"github", "gitlab", "gitea", "bitbucketserver", "bitbucket", "azuredevops"}
WEBHOOK = {"flux.webhook_token": "canary-webhook-token", "flux.webhook_hostname": "flux.example.org"}


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Run:
    """The program on the required keys and those of the test."""
    return run_program({**REQUIRED, **request.param}, tmp_path, monkeypatch)


def configured(*changes: Mapping[str, str]) -> pytest.MarkDecorator:
    """Run the program with these keys besides the required ones."""
    return pytest.mark.parametrize("ran", [dict(pair for change in changes for pair in change.items())], indirect=True)


def spec(run: Run, name: str) -> dict[str, Any]:
    """The spec of a resource."""
    return plain(run.resources[name].inputs)["spec"]


def secret(run: Run, part: str) -> tuple[str, dict[str, str]]:
    """Name and clear contents of one of Flux's Secrets."""
    resource = f"gitops-{part}"
    return plain(run.resources[resource].inputs)["metadata"]["name"], secret_data(run, resource)


@configured({})
def test_without_further_keys_git_is_read_with_the_token_and_nothing_else_is_made(ran: Run) -> None:
    assert secret(ran, "github-token")[1] == dict.fromkeys(("password", "token"), "canary-github-token") | {
        "username": "git"
    }
    repository = spec(ran, "gitops-git-repo")
    assert (repository["url"], repository["secretRef"]["name"]) == (
        "https://github.com/goldfish-inc/oceanid", "github-token",
    )  # fmt: skip
    assert not {"verify", "provider"} & repository.keys()
    assert not {"decryption", "postBuild"} & spec(ran, "gitops-kustomization").keys()
    assert not {"gitops-ssh", "gitops-github-app", "gitops-sops-age", "gitops-webhook"} & ran.resources.keys()


@configured(SSH)
def test_git_is_read_over_ssh_when_there_are_keys(ran: Run) -> None:
    repository = spec(ran, "gitops-git-repo")
    assert (repository["url"], repository["secretRef"]["name"]) == (
        "ssh://git@github.com/goldfish-inc/oceanid", "flux-system-ssh",
    )  # fmt: skip
    assert secret(ran, "ssh")[1].keys() == {"identity", "known_hosts"}


@configured(github_app(), {"github_token": ""})
def test_git_is_read_as_a_github_app(ran: Run) -> None:
    repository = spec(ran, "gitops-git-repo")
    assert (repository["provider"], repository["secretRef"]["name"]) == ("github", "github-app")
    name, data = secret(ran, "github-app")
    assert name == "github-app"
    assert data.keys() == {"githubAppID", "githubAppInstallationID", "githubAppPrivateKey"}
    assert (data["githubAppID"], data["githubAppInstallationID"]) == ("12345", "67890")
    assert spec(ran, "version-monitor-github-provider")["secretRef"] == {"name": "github-app"}
    marked = ran.resources["gitops-github-app"].inputs["data"]
    assert plain(marked) != marked, "the data is not marked as secret"
    assert "gitops-github-token" not in ran.resources


@configured(
    github_app(), {"gitRepositoryUrl": "https://github.example.org:8443/o/r", "flux.ca_certificate": ca_certificate()}
)
def test_a_github_of_ones_own_is_asked_at_its_own_address_and_trusted_by_its_ca(ran: Run) -> None:
    data = secret(ran, "github-app")[1]
    assert data["githubAppBaseURL"] == "https://github.example.org:8443/api/v3"
    assert data["ca.crt"] == secret(ran, "github-token")[1]["ca.crt"] == ca_certificate()
    provider = spec(ran, "version-monitor-github-provider")
    assert provider["certSecretRef"] == provider["secretRef"] == {"name": "github-token"}


@configured(github_app(), {"gitRepositoryUrl": "https://reef.ghe.com/o/r"})
def test_a_github_with_data_residency_has_its_api_under_another_name(ran: Run) -> None:
    assert secret(ran, "github-app")[1]["githubAppBaseURL"] == "https://api.reef.ghe.com"


@configured({"flux.sops_age_key": AGE_KEY, "flux.runtime_info": "true", "flux.verification_keys": SIGNER})
def test_what_git_holds_is_decrypted_filled_in_and_verified_when_asked_for(ran: Run) -> None:
    root = spec(ran, "gitops-kustomization")
    assert root["decryption"] == {"provider": "sops", "secretRef": {"name": "sops-age"}}
    assert secret(ran, "sops-age") == ("sops-age", {"age.agekey": f"{AGE_KEY}\n"})
    assert root["postBuild"] == {"substituteFrom": [{"kind": "ConfigMap", "name": "flux-runtime-info"}]}
    reference = spec(ran, "gitops-git-repo")["verify"]
    assert reference == {"mode": "HEAD", "secretRef": {"name": "git-verification-keys"}}
    assert secret(ran, "verification-keys") == ("git-verification-keys", {"key-1.asc": SIGNER})


@configured(
    {"clusterName": "reef", "cloudflare_node_tunnel_hostname": "example.org", "labelStudioHostname": "ls.reef.org"}
)
def test_git_can_use_what_pulumi_knows_and_no_secret_is_in_it(ran: Run) -> None:
    info = plain(ran.resources["gitops-runtime-info"].inputs)
    assert info["metadata"]["name"] == "flux-runtime-info"
    assert info["data"] == {
        "CLUSTER_NAME": "reef",
        "STACK": "dev",
        "BASE_DOMAIN": "example.org",
        "CLUSTER_DOMAIN": "cluster.local",
        "KUBERNETES_HOSTNAME": "k3s.example.org",
        "LABEL_STUDIO_HOSTNAME": "ls.reef.org",
        "GPU_HOSTNAME": "gpu.example.org",
        "NODES_DOMAIN": "nodes.example.org",
    }
    assert {"gitops-flux", "gitops-runtime-info", "gitops-github-token"} <= dependencies(ran, "gitops-git-repo")


@configured(WEBHOOK)
def test_the_receiver_is_left_when_flux_goes(ran: Run) -> None:
    """Only Flux takes its finalizer off."""
    assert ran.requests["gitops-webhook"].deletedWith.endswith("::gitops-ns")


@configured(WEBHOOK, {"extraIngress": '[{"hostname": "app.example.org", "service": "http://app.web.svc:80"}]'})
def test_a_push_reaches_the_webhook_through_the_tunnel(ran: Run) -> None:
    receiver = plain(ran.resources["gitops-webhook"].inputs)
    assert receiver["apiVersion"] == "notification.toolkit.fluxcd.io/v1"
    assert receiver["spec"] == {
        "type": "github",
        "events": ["ping", "push"],
        "secretRef": {"name": "webhook-token"},
        "resources": [{"kind": "GitRepository", "name": "flux-system"}],
    }
    assert secret(ran, "webhook-token")[1] == {"token": "canary-webhook-token"}
    config = plain(ran.resources["cloudflare-config"].inputs)["data"]["config.yaml"]
    rules = yaml.safe_load(config)["ingress"]
    assert rules[2] == {
        "hostname": "flux.example.org",
        "path": "^/hook/",
        "service": "http://webhook-receiver.flux-system.svc.cluster.local:80",
    }
    assert [rule.get("hostname") for rule in rules[3:]] == ["app.example.org", None]


ALERTED = {"flux.alert_type": "slack", "flux.alert_address": "https://hooks.example.org/canary-of-the-hook"}


@configured({**ALERTED, "flux.alert_channel": "#cluster", "enableImageAutomation": "false", "clusterName": "reef"})
def test_failures_and_recoveries_are_reported_without_image_automation_too(ran: Run) -> None:
    assert spec(ran, "gitops-alert-provider") == {
        "type": "slack",
        "secretRef": {"name": "cluster-alerts"},
        "channel": "#cluster",
    }
    assert secret(ran, "alert-address") == ("cluster-alerts", {"address": ALERTED["flux.alert_address"]})
    found = spec(ran, "gitops-alert")
    assert {source["kind"] for source in found["eventSources"]} == {"GitRepository", "Kustomization", "HelmRelease"}
    assert {source["name"] for source in found["eventSources"]} == {"*"}
    assert found["eventSeverity"] == "info", "with 'error' nobody hears that a failure is over"
    assert found["eventMetadata"] == {"cluster": "reef"}
    apis = {plain(ran.resources[f"gitops-{part}"].inputs)["apiVersion"] for part in ("alert", "alert-provider")}
    assert apis == {"notification.toolkit.fluxcd.io/v1beta3"}
    assert {"gitops-flux", "gitops-alert-address"} <= dependencies(ran, "gitops-alert-provider")


def test_every_type_of_alert_is_one_of_the_crd_and_none_sets_a_commit_status() -> None:
    """Those drop failures in Flux 2.8 (notification-controller v1.8.4, internal/server/event_handlers.go)."""
    assert ALERT_TYPES.keys() <= set(PROVIDER_TYPES.split()) - COMMIT_STATUSES
    for kind in ALERT_TYPES:
        assert settings({**ALERTED, "flux.alert_type": kind}).flux.alert_type == kind


def test_an_address_that_flux_could_not_call_is_refused_and_not_shown() -> None:
    for address in (
        "hooks.example.org", "ftp://hooks.example.org", "https://", "https://a b", "https://a:x",
        f"https://a/{'x' * 2048}",
    ):  # fmt: skip
        said = refused({**ALERTED, "flux.alert_address": address})
        assert "'flux.alert_address' is not an http or https URL" in said
    dsn = "https://canary@sentry.example.org/1"
    assert settings({**ALERTED, "flux.alert_address": f"'DSN={dsn}'"}).flux.alert_address == Secret(dsn)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://gitlab.example.org/group/repository", "gitlab"),
        ("https://git.example.org/group/repository", "generic"),
        ("git@github.com:owner/repository.git", "github"),
    ],
)
def test_the_receiver_is_of_the_kind_of_the_repositorys_host(url: str, kind: str) -> None:
    changes = {**WEBHOOK, "gitRepositoryUrl": url, **(SSH if "@" in url else {})}
    assert receiver(settings(changes).flux)["spec"]["type"] == kind


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"flux.webhook_token": "t"}, "'flux.webhook_hostname' is missing"),
        ({"flux.webhook_hostname": "flux.example.org"}, "'flux.webhook_token' is missing"),
        ({"flux.github_app_id": "1"}, "'flux.github_app_private_key' is missing"),
        ({**github_app(), "flux.github_app_id": ""}, "'flux.github_app_id' is missing"),
        ({**github_app(), **SSH}, "are two ways to read one repository"),
        ({**github_app(), "gitRepositoryUrl": "git@github.com:o/r"}, "is ssh, and a GitHub App reads over https"),
        ({**SSH, "flux.ca_certificate": ca_certificate()}, "is for https, and Git is read over SSH"),
        ({**WEBHOOK, "flux.webhook_hostname": "k3s.boathou.se"}, "'flux.webhook_hostname' is another rule's host name"),
        ({**WEBHOOK, "flux.webhook_hostname": "label.boathou.se"}, "Label Studio's rule (labelStudioHostname)"),
        (
            {
                **WEBHOOK,
                "extraIngress": '[{"hostname": "flux.example.org", "service": "http://a:1", "path": "^/hook/"}]',
            },
            "the webhook's rule (flux.webhook_hostname) comes first",
        ),
        ({"flux.alert_type": "slack"}, "'flux.alert_address' is missing"),
        ({"flux.alert_address": "https://hooks.example.org"}, "'flux.alert_type' is missing"),
        ({**ALERTED, "flux.alert_type": "github"}, "'flux.alert_type' is not one of generic, slack"),
        ({"flux.alert_channel": "x"}, "read only with flux.alert_type slack, discord, rocket, sentry"),
        ({**ALERTED, "flux.alert_type": "msteams", "flux.alert_channel": "x"}, "pulumi config rm flux.alert_channel"),
        ({"flux.ca_certificate": "x"}, "pulumi config set flux.ca_certificate < ca.crt"),
    ],
)
def test_keys_that_do_not_go_together_are_named(changes: dict[str, str], text: str) -> None:
    assert text in refused(changes)


@pytest.mark.parametrize("kind", [CRD_TYPE, SERVICE_TYPE, "kubernetes:apps/v1:Deployment", "kubernetes:core/v1:Secret"])
def test_git_can_neither_change_nor_prune_what_the_chart_makes(program: Program, kind: str) -> None:
    found = annotations(program(EVERYTHING), kind)
    assert found["a"] == "b"
    assert found[RECONCILE] == "disabled"
    assert (PRUNE in found) is (kind == CRD_TYPE)


def test_the_crds_of_the_chart_carry_our_ownership_label(program: Program) -> None:
    run = program(EVERYTHING)
    properties: dict[str, Any] = dict(transformed(run, CRD_TYPE).props)
    assert properties["metadata"]["labels"] == {"oceanid.cluster/managed-by": "pulumi"}
    assert "labels" not in str(transformed(run, SERVICE_TYPE).props)


def test_a_crd_of_the_chart_is_waited_for_until_its_kind_is_served(program: Program) -> None:
    """And until it is the new one: the provider's watch may still show the one from before an update."""
    found = annotations(program(EVERYTHING), CRD_TYPE)
    digest = found["oceanid.cluster/crd-digest"]
    assert json.loads(found["pulumi.com/waitFor"]) == [
        f"jsonpath={{.metadata.annotations['oceanid.cluster/crd-digest']}}={digest}",
        "condition=Established",
    ]
    crd = {"metadata": {"name": "x"}, "spec": {"versions": ["v1"]}}
    assert labels.wait_until_served(crd) == labels.wait_until_served(dict(reversed(crd.items())))
    assert labels.wait_until_served(crd) != labels.wait_until_served({**crd, "spec": {"versions": ["v1", "v2"]}})
    assert "pulumi.com/waitFor" not in annotations(program(EVERYTHING), SERVICE_TYPE)


def test_what_the_chart_makes_gets_our_timeout_and_waits_for_no_service(program: Program) -> None:
    service = transformed(program(EVERYTHING), SERVICE_TYPE)
    assert annotations(program(EVERYTHING), SERVICE_TYPE)["pulumi.com/skipAwait"] == "true"
    assert "pulumi.com/skipAwait" not in annotations(program(EVERYTHING), CRD_TYPE)
    assert isinstance(service.opts.custom_timeouts, pulumi.CustomTimeouts)
    assert service.opts.custom_timeouts.create == "5m"


def test_the_webhook_is_the_one_port_that_other_namespaces_reach(program: Program) -> None:
    (transform,) = program(EVERYTHING).transforms

    def ingress(name: str) -> list[dict[str, Any]]:
        rule = {"from": [{"namespaceSelector": {}}]}
        given = {"metadata": {"name": name}, "spec": {"podSelector": {}, "ingress": [rule]}}
        asked = pulumi.ResourceTransformArgs(True, POLICY_TYPE, name, given, pulumi.ResourceOptions())
        return dict(transform(asked).props)["spec"]["ingress"]

    everybody = {"from": [{"namespaceSelector": {}}]}
    assert ingress("allow-webhooks") == [{**everybody, "ports": [{"port": 9292, "protocol": "TCP"}]}]
    assert ingress("allow-egress") == [everybody]


def test_the_feature_gates_whose_defaults_differ_between_releases_are_set(program: Program) -> None:
    values = plain(program(REQUIRED).resources["gitops-flux"].inputs)["values"]
    (gates,) = values["kustomizeController"]["container"]["additionalArgs"]
    assert gates == "--feature-gates=CancelHealthCheckOnNewRevision=true,StrictPostBuildSubstitutions=false"


def test_image_controllers_are_installed_only_with_image_automation(program: Program) -> None:
    for wanted in (True, False):
        run = program({**REQUIRED, "enableImageAutomation": str(wanted).lower()})
        values = plain(run.resources["gitops-flux"].inputs)["values"]
        images = {"imageAutomationController", "imageReflectionController"}
        assert {name: values[name]["create"] for name in images} == dict.fromkeys(images, wanted)
        others = {name for name in values if name.endswith("Controller")} - images
        assert len(others) == 4
        assert all(values[name].get("create", True) for name in others)
