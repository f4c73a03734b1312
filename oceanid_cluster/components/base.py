"""What every component shares: its provider, its options for children, and how a manifest becomes a resource."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pulumi

from oceanid_cluster import versions
from oceanid_cluster.components.facts import CLUSTER_WIDE, Facts
from oceanid_cluster.config.cluster import ClusterSettings
from oceanid_cluster.manifests import labels
from oceanid_cluster.manifests.objects import kubernetes_object, namespace
from oceanid_cluster.manifests.pods import Manifest, Placement
from oceanid_cluster.manifests.rollout import Rollout


@dataclass(frozen=True)
class Context:
    """What a run gives to every component; ``placement`` is where services run."""

    cluster: ClusterSettings
    provider: pulumi.ProviderResource
    rollout: Rollout
    placement: Placement

    @property
    def timeouts(self) -> pulumi.CustomTimeouts:
        """How long a workload may take to get ready."""
        minutes = f"{self.cluster.ready_timeout_minutes}m"
        return pulumi.CustomTimeouts(create=minutes, update=minutes, delete=minutes)


# Objects without pods: they are made as soon as their namespace is there, while earlier components get ready.
_PODLESS_KINDS = (
    "Namespace", "Secret", "ConfigMap", "PersistentVolumeClaim", "ServiceAccount", "Role", "RoleBinding", "Service",
    "NetworkPolicy", "PodDisruptionBudget", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
)  # fmt: skip

# The path in the project, the same on every machine: a release's state holds it.
_POST_RENDERER = "./oceanid_cluster/components/leave-alone.sh"


def depends_on(*previous: pulumi.Resource | None) -> pulumi.ResourceOptions:
    """Options of a resource that comes after others, of which some may be off."""
    return pulumi.ResourceOptions(depends_on=[resource for resource in previous if resource])


def component_urn(facts: Facts) -> str:
    """The URN of a component of this stack, which may be off."""
    return f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{facts.type_token}::{facts.logical_name}"


class Component(pulumi.ComponentResource):
    """A component of the cluster; subclasses make their resources in ``__init__`` and register their outputs.

    Each takes its logical name, its arguments (a frozen dataclass with the run's ``context``) and Pulumi's options, of
    which ``depends_on`` names the earlier components: its children wait for them, each as far as it must. Its objects
    are in its ``namespace`` and carry its ``object_labels``.
    """

    type_token: str  # which the stack's state holds
    namespace = ""
    object_labels: Mapping[str, str] = MappingProxyType({})

    def __init__(self, name: str, context: Context, opts: pulumi.ResourceOptions | None) -> None:
        """``name`` is the logical name that the stack's state holds."""
        own = pulumi.ResourceOptions.merge(opts, None)
        self._earlier, own.depends_on = pulumi.ResourceOptions(depends_on=own.depends_on), None
        super().__init__(self.type_token, name, None, own)
        self.name = name
        self.context = context

    def options(self, own: pulumi.ResourceOptions | None = None, kind: str = "") -> pulumi.ResourceOptions:
        """Options of a child: its own, this parent, the explicit provider, the workload timeout, what it waits for.

        These are the resources that it names and the earlier components; an object without pods waits for these
        only when it names nothing, for then its namespace is another component's.
        """
        common = pulumi.ResourceOptions(
            parent=self, provider=self.context.provider, custom_timeouts=self.context.timeouts
        )
        options = pulumi.ResourceOptions.merge(common, own)
        early = kind == "Namespace" or (kind in _PODLESS_KINDS and own and own.depends_on)
        return options if early else pulumi.ResourceOptions.merge(options, self._earlier)

    def create(self, part: str, manifest: Manifest, opts: pulumi.ResourceOptions | None = None) -> Any:
        """Complete ``manifest`` and register it as ``<name>-<part>``; returns its resource.

        It gets the component's namespace and labels unless it has its own, and pods are labelled like their workload.
        """
        own: Manifest = {"labels": dict(self.object_labels)} if self.object_labels else {}
        if manifest["kind"] not in CLUSTER_WIDE:
            own["namespace"] = self.namespace
        manifest["metadata"] = {**own, **manifest["metadata"]}
        if template := manifest.get("spec", {}).get("template"):
            template["metadata"]["labels"] = dict(self.object_labels)
        return self.register(f"{self.name}-{part}", manifest, opts)

    def register(self, name: str, manifest: Manifest, opts: pulumi.ResourceOptions | None = None) -> Any:
        """Register the Kubernetes object ``manifest``, complete, under the logical name ``name``; returns its resource.

        By its type token: to import the SDK's class of each kind takes longer than all the rest of the program.
        """
        api_version, kind = manifest["apiVersion"], manifest["kind"]
        options = self.options(opts, kind)
        if kind == "Node":  # made by K3s: we own some of its labels
            kind = "NodePatch"
        else:
            retained = bool(options.retain_on_delete)
            manifest = {**manifest, "metadata": labels.owned(manifest["metadata"], retained=retained)}
        former = versions.former_api(api_version)
        if former:
            options.aliases = [pulumi.Alias(type_=f"kubernetes:{former}:{kind}")]
        if kind == "Secret":
            manifest = {**manifest, "data": pulumi.Output.secret(manifest["data"])}
            # Fixed by the API server, and spelt out or not in a state that we adopt: no reason to replace it.
            options.ignore_changes = ["type"]
            options.additional_secret_outputs = ["data", "stringData"]
        group_version = api_version if "/" in api_version else f"core/{api_version}"
        return pulumi.CustomResource(f"kubernetes:{group_version}:{kind}", name, manifest, options)

    def helm_release(
        self, name: str, chart: versions.Chart, values: Mapping[str, Any], opts: pulumi.ResourceOptions
    ) -> pulumi.Resource:
        """Register the Helm release ``name`` as ``<name of the component>-helm``.

        Helm ignores a value that the chart does not have: a test holds the values of every chart against its own. The
        objects of a release are Helm's, and its post-renderer says of each that Flux leaves it alone.
        """
        release = {
            "name": name,
            "namespace": self.namespace,
            "chart": chart.chart,
            "version": chart.chosen_version,
            "repositoryOpts": chart.repository_opts,
            "values": values,
            "postrender": _POST_RENDERER,
            "timeout": self.context.cluster.ready_timeout_minutes * 60,
            "maxHistory": 10,
            "compat": "true",  # as the SDK's class has it, whose import takes a tenth of a run of the program
        }
        return pulumi.CustomResource("kubernetes:helm.sh/v3:Release", f"{self.name}-helm", release, self.options(opts))

    def create_namespace(self, component: str, level: labels.PodSecurityLevel) -> pulumi.Resource:
        """The component's namespace as ``<name>-ns``. It is never deleted with the component: it may hold data."""
        retained = pulumi.ResourceOptions(retain_on_delete=True)
        return self.create("ns", namespace(self.namespace, self.context.cluster.name, component, level), retained)


def secret(name: str, data: Mapping[str, pulumi.Input[str]]) -> Manifest:
    """An Opaque Secret of texts; ``register`` marks all of them as secret.

    As ``data``, in base64: the API server turns ``stringData`` into it, and the engine would print the difference.
    """
    encoded = {
        key: pulumi.Output.from_input(text).apply(lambda known: b64encode(known.encode()).decode())
        for key, text in data.items()
    }
    return kubernetes_object("v1", "Secret", name, type="Opaque", data=encoded)
