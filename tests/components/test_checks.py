"""A configuration that contradicts itself is refused; one that is hardly meant is a warning."""

import json

import pytest

from tests.samples import refused, settings


def machine(**labels: str) -> str:
    own = {name.replace("_", "-"): value for name, value in labels.items()}
    return json.dumps([{"name": "one", "host": "srv1", "address": "192.0.2.1", "labels": own}])


HERE = {"trainingNodeSelector": "kubernetes.io/hostname=srv1"}


@pytest.mark.parametrize("labels", [{}, {"tunnel_enabled": "false"}, {"gpu": "true"}])
def test_node_tunnels_without_a_machine_that_runs_them_are_refused(labels: dict[str, str]) -> None:
    said = refused({**HERE, "nodes": machine(**labels)})
    assert "'enableNodeTunnels' is true, and no machine in 'nodes' has the label" in said
    assert "pulumi config set enableNodeTunnels false" in said
    assert settings({**HERE, "nodes": machine(**labels), "enableNodeTunnels": "false"}).warnings == ()
    assert settings({**HERE, "nodes": machine(**labels), "manageNodeLabels": "false"}).warnings == ()


def test_a_selector_of_a_label_of_ours_that_no_machine_has_is_refused() -> None:
    nodes = machine(tunnel_enabled="true", disk="fast")
    assert settings({**HERE, "nodes": nodes, "labelStudioNodeSelector": "oceanid.cluster/disk=fast"}).warnings == ()
    said = refused({"nodes": nodes, "labelStudioNodeSelector": "oceanid.cluster/disk=slow"})
    assert 'no machine in \'nodes\' has the label "disk": "slow"' in said


@pytest.mark.parametrize("name", ["trainingNodeSelector", "labelStudioNodeSelector"])
def test_a_selector_that_no_configured_machine_fits_is_a_warning(name: str) -> None:
    (warning,) = settings({name: "kubernetes.io/hostname=elsewhere"}).warnings
    assert warning == (
        f"no configured machine has kubernetes.io/hostname=elsewhere ({name}); there are srv712429, srv712695, calypso:"
        f" pulumi config set {name} kubernetes.io/hostname=<host>"
    )
    assert settings({name: "kubernetes.io/hostname=calypso"}).warnings == ()
    assert settings({name: "topology.kubernetes.io/zone=anywhere"}).warnings == ()


def test_another_cluster_is_told_that_trainings_still_look_for_calypso() -> None:
    nodes = machine(tunnel_enabled="true")
    (warning,) = settings({"nodes": nodes}).warnings
    assert "no configured machine has kubernetes.io/hostname=calypso (trainingNodeSelector)" in warning
    assert settings({"nodes": nodes, "trainDryRun": "true"}).warnings == ()
    assert settings({"nodes": nodes, "enableTritonAdapter": "false"}).warnings == ()


def test_what_is_wrong_already_is_not_followed_up() -> None:
    for wrong in ({"nodes": "[]"}, {"labelStudioNodeSelector": "nonsense"}, {"trainingNodeSelector": "nonsense"}):
        assert "has 1 problem:" in refused(wrong)
