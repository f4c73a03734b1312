"""The state is read for its objects, releases and components."""

from typing import Any

from oceanid_cluster.commands.state import parse_state
from oceanid_cluster.components.facts import ObjectRef
from oceanid_cluster.components.operator.settings import FACTS as OPERATOR

(RELEASE,) = OPERATOR.release_refs()


STACK = "urn:pulumi:dev::oceanid-cluster"
TUNNEL, ADAPTER = "oceanid:core:CloudflareTunnel", "oceanid:ml:LsTritonAdapter"


def test_the_state_is_read_without_what_is_only_patched_read_or_on_its_way_out() -> None:
    def kubernetes(kind: str, identity: str, **fields: Any) -> dict[str, Any]:
        urn = f"{STACK}::kubernetes:{kind}::{identity}"
        return {"urn": urn, "type": f"kubernetes:{kind}", "id": identity, "custom": True, **fields}

    state = parse_state(
        [
            {"urn": f"{STACK}::pulumi:pulumi:Stack::oceanid-cluster-dev", "type": "pulumi:pulumi:Stack"},
            {"urn": f"{STACK}::{TUNNEL}::cloudflare", "type": TUNNEL},
            {"urn": f"{STACK}::{ADAPTER}::ls-triton-adapter", "type": ADAPTER},
            {
                "urn": f"{STACK}::{ADAPTER}$kubernetes:core/v1:Secret::ls-triton-adapter-x",
                "type": "kubernetes:core/v1:Secret",
                "dependencies": [
                    f"{STACK}::{ADAPTER}$kubernetes:core/v1:Namespace::label-studio-ns",
                    f"{STACK}::{TUNNEL}$kubernetes:core/v1:Secret::cloudflare-x",
                    f"{STACK}::pulumi:providers:kubernetes::k3s",
                ],
            },
            {"urn": f"{STACK}::kubernetes:helm.sh/v4:Chart::x", "type": "kubernetes:helm.sh/v4:Chart"},
            kubernetes("core/v1:Namespace", "apps"),
            kubernetes("apps/v1:Deployment", "apps/label-studio"),
            kubernetes("core/v1:Node", "calypso", external=True),
            kubernetes("core/v1:NodePatch", "calypso"),
            kubernetes("core/v1:Secret", "apps/old", delete=True),
            kubernetes("core/v1:Secret", ""),
            kubernetes("helm.sh/v3:Release", "pulumi-system/pulumi-kubernetes-operator"),
        ]
    )
    assert state.objects == {ObjectRef("Namespace", "", "apps"), ObjectRef("Deployment", "apps", "label-studio")}
    assert state.releases == {RELEASE}
    assert state.components == {"CloudflareTunnel", "TritonAdapter"}
    assert state.chain == {"CloudflareTunnel": frozenset(), "TritonAdapter": {"CloudflareTunnel"}}
