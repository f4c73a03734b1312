"""Label Studio: its database, its secrets, its volume, and who may reach it."""

from typing import Any

import pulumi
import pytest

from oceanid_cluster.components.label_studio.component import volume_claim, warn_of_claim
from oceanid_cluster.components.label_studio.generated import label_studio_secrets
from oceanid_cluster.config.secret import Secret
from tests.program import Program, environment, in_namespace, peers, pod_of
from tests.recorded import plain, record, secret_data
from tests.samples import EVERYTHING, REQUIRED, settings

LIVE = {"secret-key": Secret("canary-live-key"), "admin-password": Secret("canary-live-password")}


@pytest.mark.parametrize(
    ("config", "live", "expected"),
    [
        ({}, None, ("generated-label-studio-secret-key", "generated-label-studio-admin-password", True)),
        ({}, LIVE, ("canary-live-key", "canary-live-password", True)),
        ({}, {"secret-key": LIVE["secret-key"]}, ("canary-live-key", "generated-label-studio-admin-password", True)),
        ({"labelStudioSecretKey": "mine"}, LIVE, ("mine", "canary-live-password", True)),
        ({"labelStudioAdminPassword": "mine"}, LIVE, ("canary-live-key", "mine", False)),
    ],
    ids=["nothing known", "in the cluster", "half in the cluster", "a configured key", "a configured password"],
)
def test_label_studios_secrets_are_the_configured_ones_or_the_first_known(
    config: dict[str, str], live: dict[str, Secret] | None, expected: tuple[str, str, bool]
) -> None:
    def main() -> None:
        made = label_studio_secrets(settings(config, stored_secret=frozenset(config)).label_studio, live)
        pulumi.export("values", pulumi.Output.unsecret(pulumi.Output.all(made.secret_key, made.admin_password)))
        pulumi.export("generated", made.generated_password is not None)

    run = record(main)
    assert (*run.outputs["values"], run.outputs["generated"]) == expected
    for name in ("label-studio-secret-key", "label-studio-admin-password"):
        kept = run.requests[f"{name}-kept"]
        assert list(kept.ignoreChanges) == ["input"]  # what is in the state stays
        # Always: `pulumi up --target` registers a resource twice whose dependant lost its edge since the last run
        # (pulumi/pkg, resource/deploy/step_generator.go: getDependencySteps).
        assert any(urn.endswith(f"::{name}") for urn in kept.dependencies)
        assert plain(run.resources[f"{name}-kept"].inputs["input"]) != run.resources[f"{name}-kept"].inputs["input"]


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_the_generated_secrets_outlive_label_studios_flag(program: Program, enabled: str) -> None:
    run = program({**REQUIRED, "enableLabelStudio": enabled})
    for name in ("label-studio-secret-key", "label-studio-admin-password"):
        (alias,) = run.requests[name].aliases  # until now it was a child of the component
        assert alias.spec.parentUrn == "urn:pulumi:dev::oceanid-cluster::oceanid:apps:LabelStudio::label-studio"
        assert f"{name}-kept" in run.resources
        assert "oceanid:apps" not in run.requests[f"{name}-kept"].parent


def test_the_output_is_the_password_that_label_studio_got(program: Program) -> None:
    run = program(REQUIRED)
    assert secret_data(run, "label-studio-app-secret")["admin-password"] == run.outputs["labelStudioAdminPassword"]
    configured = program(EVERYTHING)
    assert secret_data(configured, "label-studio-app-secret") == {
        "secret-key": "canary-secret-key", "admin-password": "canary-admin-password",
    }  # fmt: skip
    assert configured.outputs["labelStudioAdminPassword"] is None


def test_who_names_label_studios_nodes_may_name_the_one_with_the_gpu(program: Program) -> None:
    run = program({**REQUIRED, "labelStudioNodeSelector": '{"kubernetes.io/hostname": "calypso"}'})
    pod = pod_of(run, "label-studio-deploy")
    assert pod["nodeSelector"] == {"kubernetes.io/hostname": "calypso"}
    assert "affinity" not in pod


@pytest.mark.parametrize("minutes", [1, 5, 60])
def test_label_studio_may_start_as_long_as_the_program_waits_for_it(program: Program, minutes: int) -> None:
    run = program({**REQUIRED, "readyTimeoutMinutes": str(minutes)})
    (container,) = pod_of(run, "label-studio-deploy")["containers"]
    probe = container["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] == minutes * 60


def test_who_may_reach_label_studio_and_the_adapter_is_configured(program: Program) -> None:
    tunnel = in_namespace("cloudflared", **{"app.kubernetes.io/name": "cloudflared"})
    traefik = in_namespace("kube-system", **{"app.kubernetes.io/name": "traefik"})
    caller = {"podSelector": {"matchLabels": {"app": "label-studio"}}}
    assert peers(program(REQUIRED), "label-studio-network") == [tunnel]
    assert peers(program(REQUIRED), "ls-triton-adapter-network") == [caller]
    run = program(EVERYTHING)
    assert peers(run, "label-studio-network") == [tunnel, traefik]
    assert peers(run, "ls-triton-adapter-network") == [caller, in_namespace("notebooks")]
    without = {**REQUIRED, "enableCloudflareTunnel": "false"}
    assert peers(program(without), "label-studio-network") == []
    listed = {**without, "labelStudioIngressFrom": EVERYTHING["labelStudioIngressFrom"]}
    assert peers(program(listed), "label-studio-network") == [traefik]


@pytest.mark.parametrize(
    ("live", "storage", "storage_class"),
    [
        (None, "10Gi", None),
        ({"resources": {"requests": {"storage": "20Gi"}}, "storageClassName": "fast"}, "20Gi", "fast"),
        ({"resources": {}}, "10Gi", None),
    ],
)
def test_a_claim_that_is_there_is_adopted_with_its_own_size_and_class(
    live: dict[str, Any] | None, storage: str, storage_class: str | None
) -> None:
    spec = volume_claim(settings().label_studio, live)["spec"]
    assert spec["resources"] == {"requests": {"storage": storage}}
    assert spec.get("storageClassName") == storage_class


def test_a_wish_for_another_volume_is_answered_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    wanted = settings({"labelStudioStorage": "20Gi", "labelStudioStorageClass": "fast"}).label_studio
    warn_of_claim(wanted, {"resources": {"requests": {"storage": "20480Mi"}}, "storageClassName": "fast"})
    warn_of_claim(wanted, {})
    assert said == []
    warn_of_claim(wanted, {"resources": {"requests": {"storage": "10Gi"}}, "storageClassName": "local-path"})
    assert "labelStudioStorage 20Gi is ignored: the existing volume has 10Gi" in said[0]
    assert "labelStudioStorageClass fast is ignored: the existing volume has the class local-path" in said[1]
    assert len(said) == 2
    assert all("\n" not in text for text in said)


def test_label_studio_gets_its_database_and_never_sqlite(program: Program) -> None:
    run = program(REQUIRED)
    data = secret_data(run, "label-studio-db-secret")
    assert data == {
        "POSTGRE_USER": "labeler",
        "POSTGRE_PASSWORD": "canary@pass",
        "POSTGRE_NAME": "labels",
        "POSTGRE_HOST": "db.example.org",
        "POSTGRE_PORT": "6432",
    }
    deployment = plain(run.resources["label-studio-deploy"].inputs)["spec"]
    (container,) = deployment["template"]["spec"]["containers"]
    variables = environment(run, "label-studio-deploy")
    assert variables["DJANGO_DB"]["value"] == "default"
    assert variables["PGSSLMODE"]["value"] == "require"
    assert variables["ML_BLOCK_LOCAL_IP"]["value"] == "false"
    for name in data:
        assert variables[name]["valueFrom"]["secretKeyRef"] == {"name": "labelstudio-db-credentials", "key": name}
    assert deployment["strategy"] == {"type": "Recreate"}
    hosts = variables["ALLOWED_HOSTS"]["value"].split(",")
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] == "/health"
        assert container[probe]["httpGet"]["httpHeaders"][0]["value"] in hosts
    egress = plain(run.resources["label-studio-network"].inputs)["spec"]["egress"]
    assert [port["port"] for port in egress[1]["ports"]] == [443, 6432]
    assert "label-studio-s3-secret" not in run.resources
