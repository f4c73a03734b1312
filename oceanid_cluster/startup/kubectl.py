"""kubectl on one cluster: the one to which the configuration and the environment lead, whatever the shell points at."""

import json
from collections.abc import Mapping
from subprocess import CompletedProcess
from typing import Any

from oceanid_cluster.components.settings import Settings
from oceanid_cluster.startup.kubeconfig import NO_PREFERENCES, Kubeconfig, load_kubeconfig
from oceanid_cluster.startup.processes import CommandError, run

_REQUEST_TIMEOUT_SECONDS = 20
# Of a whole call: where connections are dropped, kubectl repeats its requests for more than a minute.
_TIMEOUT_SECONDS = 30
# What kubectl says of an object, or of a kind, that is not there.
_ABSENT = ("NotFound", "could not find the requested resource", "doesn't have a resource type")


class Kubectl:
    """kubectl, bound to one checked kubeconfig and its context."""

    def __init__(self, kubeconfig: Kubeconfig) -> None:
        """``kubeconfig`` is used for every call, and nothing else that the environment names."""
        self.kubeconfig = kubeconfig

    def run(
        self, *arguments: str, stdin: str | None = None, variables: Mapping[str, str] | None = None
    ) -> CompletedProcess[str]:
        """Run kubectl with its output captured; a request takes 20 seconds at most.

        Raises CommandError when kubectl is not installed, or gets no answer within 30 seconds.
        """
        own = {**(variables or {}), **NO_PREFERENCES, "KUBECONFIG": self.kubeconfig.path}
        return run(
            "kubectl", "--context", self.kubeconfig.context, f"--request-timeout={_REQUEST_TIMEOUT_SECONDS}s",
            *arguments, stdin=stdin, timeout_seconds=_TIMEOUT_SECONDS, variables=own,
        )  # fmt: skip

    def get(self, *what: str) -> list[dict[str, Any]]:
        """Live objects: ``kubectl get <what> -o json``. An object or a kind that is not there gives an empty list.

        Raises CommandError when the cluster cannot be asked.
        """
        result = self.run("get", *what, "-o", "json")
        if result.returncode:
            if any(word in result.stderr for word in _ABSENT):
                return []
            words = (result.stderr.strip() or "it said nothing").splitlines()
            raise CommandError(f"'kubectl get {' '.join(what)}' failed: {words[-1]}")
        document: dict[str, Any] = json.loads(result.stdout)
        return document["items"] if document["kind"] == "List" else [document]

    def raw(self, path: str) -> Any:
        """The answer of the API server to one path, as data; None when there is nothing at that path.

        Raises CommandError with all that kubectl said when the cluster cannot be asked.
        """
        result = self.run("get", "--raw", path)
        if result.returncode:
            if "(NotFound)" in result.stderr:
                return None
            raise CommandError(result.stderr.strip() or "kubectl said nothing")
        try:
            return json.loads(result.stdout)
        except ValueError:
            return result.stdout


def open_cluster(settings: Settings | None, environ: Mapping[str, str]) -> Kubectl:
    """The cluster to which the configuration (None when it cannot be had) and the environment lead.

    Raises StartUpError saying what is wrong with the kubeconfig. Nothing is contacted.
    """
    if settings is None:
        return Kubectl(load_kubeconfig(None, environ, None, None))
    cluster = settings.cluster
    hosts = [host for host in (*(node.address for node in cluster.nodes), settings.tunnel.hostname) if host]
    allowed = cluster.allowed_api_hosts or ()
    return Kubectl(load_kubeconfig(cluster.kubeconfig_path, environ, cluster.kube_context, hosts, allowed))
