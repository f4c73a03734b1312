"""The labels of the nodes."""

from tests.program import Program
from tests.recorded import plain
from tests.samples import REQUIRED


def test_node_labels_own_our_keys_and_nothing_else(program: Program) -> None:
    run = program(REQUIRED)
    patches = {n: r for n, r in run.resources.items() if r.typ == "kubernetes:core/v1:NodePatch"}
    assert {plain(r.inputs)["metadata"]["name"] for r in patches.values()} == {"srv712429", "srv712695", "calypso"}
    assert not any(resource.typ == "kubernetes:core/v1:Node" for resource in run.resources.values())
    for resource in patches.values():
        metadata = plain(resource.inputs)["metadata"]
        assert set(metadata) == {"name", "labels"}
        assert all(label.startswith("oceanid.cluster/") for label in metadata["labels"])
    assert "nodes" not in program({**REQUIRED, "manageNodeLabels": "false"}).resources
