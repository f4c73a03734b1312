"""The state is read for its objects, releases and components."""

from typing import Any

from oceanid_cluster.commands.state import parse_state
from oceanid_cluster.components.facts import Place
from oceanid_cluster.components.operator.settings import FACTS as OPERATOR

(RELEASE,) = OPERATOR.release_places()


def test_the_state_is_read_without_what_is_only_patched_read_or_on_its_way_out() -> None:
    def kubernetes(kind: str, identity: str, **fields: Any) -> dict[str, Any]:
        return {"type": f"kubernetes:{kind}", "id": identity, "custom": True, **fields}

    state = parse_state(
        [
            {"type": "pulumi:pulumi:Stack"},
            {"type": "oceanid:core:CloudflareTunnel"},
            {
                "type": "oceanid:ml:LsTritonAdapter",
                "dependencies": [
                    "urn:pulumi:dev::oceanid-cluster::oceanid:core:CloudflareTunnel::cloudflare",
                    "urn:pulumi:dev::oceanid-cluster::oceanid:core:CloudflareTunnel$kubernetes:core/v1:Secret::cloudflare-x",
                    "urn:pulumi:dev::oceanid-cluster::pulumi:providers:kubernetes::k3s",
                ],
            },
            {"type": "kubernetes:helm.sh/v4:Chart"},
            kubernetes("core/v1:Namespace", "apps"),
            kubernetes("apps/v1:Deployment", "apps/label-studio"),
            kubernetes("core/v1:Node", "calypso", external=True),
            kubernetes("core/v1:NodePatch", "calypso"),
            kubernetes("core/v1:Secret", "apps/old", delete=True),
            kubernetes("core/v1:Secret", ""),
            kubernetes("helm.sh/v3:Release", "pulumi-system/pulumi-kubernetes-operator"),
        ]
    )
    assert state.objects == {Place("Namespace", "", "apps"), Place("Deployment", "apps", "label-studio")}
    assert state.releases == {RELEASE}
    assert state.components == {"CloudflareTunnel", "TritonAdapter"}
    assert state.chain == {"CloudflareTunnel": frozenset(), "TritonAdapter": {"CloudflareTunnel"}}
