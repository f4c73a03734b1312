"""What a Helm chart makes, by ``helm template``: without a cluster, and as a run would make it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oceanid_cluster import versions
from oceanid_cluster.manifests.pods import Manifest
from oceanid_cluster.startup.configuration import project_folder
from oceanid_cluster.startup.kubeconfig import NO_KUBECONFIG
from oceanid_cluster.startup.kubectl import Kubectl, objects_in
from oceanid_cluster.startup.processes import CommandError, check_output, last_words

# The kinds of Kubernetes' own that are in no namespace, as far as charts make them.
_OF_THE_CLUSTER = frozenset((
    "APIService", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass",
    "MutatingWebhookConfiguration", "Namespace", "PersistentVolume", "PriorityClass", "StorageClass",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration",
))  # fmt: skip


@dataclass(frozen=True)
class Chart:
    """A chart as the program registers it: ``inputs`` of Pulumi's Chart or Release, whose name is ``release``."""

    release: str
    inputs: Mapping[str, Any]

    @property
    def namespace(self) -> str:
        """The namespace of its objects, unless they name another one."""
        return self.inputs["namespace"]

    def title(self) -> str:
        """The chart and its version, if that is chosen."""
        return " ".join(filter(None, (self.inputs["chart"], self.inputs.get("version"))))

    def objects(self) -> list[Manifest]:
        """What it makes, its CRDs apart from those in its templates; hooks are left out, as they do not stay.

        Raises CommandError when the chart is unavailable.
        """
        values = json.dumps(self.inputs.get("values") or {})
        place = (self.release, *self._location(), "--namespace", self.namespace)
        # Helm's own default may be older than what a chart requires.
        options = ("--kube-version", versions.minimum_kubernetes(), "--no-hooks", "--values", "-")
        text = _output("helm", "template", *place, *options, stdin=values)
        if renderer := self.inputs.get("postrender"):
            text = _output(renderer, stdin=text)
        found = objects_of(text)
        return [self._placed(one, found) for one in found]

    def crds(self) -> list[Manifest]:
        """The CRDs in its folder ``crds``. Raises CommandError when the chart is unavailable."""
        return objects_of(_output("helm", "show", "crds", *self._location()))

    def _location(self) -> list[str]:
        options: Mapping[str, Any] = self.inputs.get("repositoryOpts") or {}
        repository, version = options.get("repo"), self.inputs.get("version")
        return [
            self.inputs["chart"],
            *(["--repo", repository] if repository else []),
            *(["--version", version] if version else []),
        ]

    def _placed(self, manifest: Manifest, found: list[Manifest]) -> Manifest:
        """An object with its namespace, which Helm and the provider fill in."""
        metadata = manifest["metadata"]
        wide = {one["spec"]["names"]["kind"] for one in found if one.get("spec", {}).get("scope") == "Cluster"}
        if metadata.get("namespace") or manifest["kind"] in _OF_THE_CLUSTER | wide:
            return manifest
        return {**manifest, "metadata": {**metadata, "namespace": self.namespace}}


def _output(*command: str, stdin: str | None = None) -> str:
    """What a tool answers in the project's folder: paths in its stack files are relative to it."""
    return check_output(*command, stdin=stdin, folder=project_folder(os.environ))


def objects_of(text: str) -> list[Manifest]:
    """The objects of a text in YAML, as kubectl reads them, without a cluster. Raises CommandError."""
    if not text.strip():
        return []
    unchanged = ("patch", "--local", "--type=merge", "--patch={}", "--filename=-", "-o", "json")
    result = Kubectl(NO_KUBECONFIG).run(*unchanged, stdin=text)
    if result.returncode:
        raise CommandError(f"kubectl cannot read what helm made: {last_words(result)}")
    return objects_in(result.stdout)
