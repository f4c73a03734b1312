"""Lists what this program left in the cluster, and the commands that remove it for good. It looks, and deletes nothing.

Only what this program made is named. While the stack is up it says so, and gives no commands.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oceanid_cluster.commands.objects import Object, is_of_flux, labels_of, managers_of, ref_of, terminating
from oceanid_cluster.commands.pulumi_cli import StackMissingError, selected_stack
from oceanid_cluster.commands.report import one_line
from oceanid_cluster.commands.stack_config import local_settings, stack_settings
from oceanid_cluster.commands.stack_file import stack_file
from oceanid_cluster.commands.state import StackState, read_state
from oceanid_cluster.components.flux.settings import FACTS as FLUX_FACTS
from oceanid_cluster.components.settings import CHAIN, EXPECTED, Settings
from oceanid_cluster.config.kubeconfig_path import VARIABLE, PathError, checked_paths
from oceanid_cluster.manifests import labels
from oceanid_cluster.startup.kubectl import Kubectl, open_cluster

FLUX = FLUX_FACTS.namespace
EPILOG = "exit codes: 0 it could look, whatever it found; 2 the cluster, or Pulumi, could not be asked"
_FINALIZERS = """--type=merge -p '{"metadata": {"finalizers": null}}'"""


@dataclass(frozen=True)
class Cluster:
    """What is looked at in the cluster: all namespaces, CRDs, workloads and claims, and Flux's own retained objects."""

    namespaces: Sequence[Object]
    crds: Sequence[Object]
    workloads: Sequence[Object]
    pods: Sequence[Object]
    kept: Sequence[Object]  # claims and Secrets that carry our label, and Flux objects


def ask(kubectl: Kubectl) -> Cluster:
    """Everything that is needed, in a few questions. Raises CommandError."""
    ours = f"{labels.MANAGED_BY}=pulumi"
    kept = kubectl.get("persistentvolumeclaims", "-A")
    kept += kubectl.get("secrets", "-A", "-l", "app.kubernetes.io/managed-by=pulumi")
    for resource in ("gitrepositories.source.toolkit.fluxcd.io", "kustomizations.kustomize.toolkit.fluxcd.io"):
        kept += kubectl.get(resource, "-n", FLUX)
    return Cluster(
        kubectl.get("namespaces", "-l", ours),
        kubectl.get("customresourcedefinitions", "--show-managed-fields"),
        kubectl.get("deployments,daemonsets", "-A"),
        kubectl.get("pods", "-A"),
        kept,
    )


def still_up(cluster: Cluster, state: StackState) -> str:
    """Why the stack is taken to be up, and what to do; empty when it is not."""
    if held := len(state.objects) + len(state.releases):
        return f"its state holds {held} objects. Destroy it first: pulumi destroy --run-program"
    namespaces = {one["metadata"]["name"] for one in cluster.namespaces}
    refs = {one.ref for one in EXPECTED if one.namespace in namespaces}
    running = [ref_of(one) for one in cluster.workloads if ref_of(one) in refs and not terminating(one)]
    if not running:
        return ""
    found = f"{len(running)} of its workloads run ({running[0]}), though the state holds nothing"
    return f'{found}. Another stack\'s? (pulumi stack ls) Or a lost state: docs/runbook.md, "Restore from nothing"'


def look(cluster: Cluster, kubectl: str, flux: str) -> tuple[list[str], list[str]]:
    """What is left of the program in the cluster, one line each, and the commands that remove it.

    ``kubectl`` and ``flux`` are these commands with the options that lead to this cluster. Flux's CRDs go by Flux's own
    command: it takes the finalizers off, without which a namespace stays in Terminating ("flux uninstall" in its
    documentation).
    """
    namespaces = [one["metadata"]["name"] for one in cluster.namespaces]
    flux_crds = [one["metadata"]["name"] for one in cluster.crds if _is_our_flux_crd(one)]
    crds = [one["metadata"]["name"] for one in cluster.crds if _is_crd_of_our_release(one, namespaces)]
    lines = [_namespace(name, cluster) for name in namespaces] + [f"CRD {name}" for name in (*flux_crds, *crds)]
    commands: list[str] = []
    others = _other_flux(cluster.workloads)
    if flux_crds and others:
        lines.append(f"(the CRDs of Flux stay: another Flux uses them, in namespace {', '.join(others)})")
    elif flux_crds and FLUX in namespaces:
        commands.append(f"{flux} uninstall --namespace={FLUX}")
        namespaces.remove(FLUX)
    elif flux_crds:
        crds = [*flux_crds, *crds]
    if FLUX in namespaces:  # what Flux guards with a finalizer would keep the namespace in Terminating
        guarded = [one for one in cluster.kept if is_of_flux(one) and one["metadata"].get("finalizers")]
        commands += [f"{kubectl} patch {ref_of(one)} {_FINALIZERS}" for one in guarded]
    if namespaces:
        commands.append(f"{kubectl} delete namespace {' '.join(namespaces)}")
    if crds:
        commands.append(f"{kubectl} delete customresourcedefinition {' '.join(crds)}")
    return lines, commands


def _is_our_flux_crd(crd: Object) -> bool:
    """The program labels the CRDs of the Flux chart; those of any other installation lack the label."""
    return crd["metadata"]["name"].endswith(FLUX_FACTS.crd_groups) and labels_of(crd).get(labels.MANAGED_BY) == "pulumi"


def _is_crd_of_our_release(crd: Object, namespaces: Sequence[str]) -> bool:
    """Helm installs the CRDs of a chart as they are, without a label of ours.

    Its field manager is the name of the process: the Kubernetes provider (helm: pkg/kube/client.go,
    getManagedFieldsManager).
    """
    ours = [facts for facts in CHAIN if facts.releases and facts.namespace in namespaces]
    if not any(crd["metadata"]["name"].endswith(facts.crd_groups) for facts in ours):
        return False
    return any(manager.startswith("pulumi-resource-kubernetes") for manager in managers_of(crd))


def _other_flux(workloads: Sequence[Object]) -> list[str]:
    """Namespaces, other than ours, in which controllers of Flux run: `flux install` and the charts set the label."""
    found = [
        one["metadata"]["namespace"]
        for one in workloads
        if one["kind"] == "Deployment" and labels_of(one).get(labels.PART_OF) == "flux"
    ]
    return sorted({namespace for namespace in found if namespace != FLUX})


def _namespace(name: str, cluster: Cluster) -> str:
    names = {"PersistentVolumeClaim": "volume claim"}
    inside = [
        f"{names.get(one['kind'], one['kind'])} {one['metadata']['name']}"
        for one in cluster.kept
        if one["metadata"]["namespace"] == name
    ]
    pods = sum(one["metadata"]["namespace"] == name for one in cluster.pods)
    inside += [f"{pods} pods"] if pods else []
    since = next((terminating(one) for one in cluster.namespaces if one["metadata"]["name"] == name), "")
    ends = f"; it {since}" if since else ""
    return f"namespace {name}" + (f", with {', '.join(inside)}" if inside else "") + ends


def shell_options(kubectl: Kubectl, environ: Mapping[str, str], context: str | None) -> str:
    """The options that lead kubectl and flux to this cluster from the operator's shell; empty when none is needed."""
    try:
        own = checked_paths(environ.get("KUBECONFIG", ""), VARIABLE)
    except PathError:
        own = ""
    chosen = [] if own == kubectl.kubeconfig.path else ["--kubeconfig", kubectl.kubeconfig.path]
    chosen += ["--context", context] if context else []
    return f" {shlex.join(chosen)}" if chosen else ""


def report(cluster: Cluster, state: StackState, shell: str) -> str:
    """What to tell the operator; ``shell`` are the options that the commands need."""
    if why := still_up(cluster, state):
        return f"Nothing to remove, the stack is still up: {why}"
    lines, commands = look(cluster, f"kubectl{shell}", f"flux{shell}")
    if not lines:
        return "Nothing of this program is left in the cluster."
    head = "To remove it for good, with all data and everything else in these namespaces:"
    return "\n  ".join(["Left in the cluster, on purpose:", *lines]) + "\n" + "\n  ".join([head, *commands])


def _stack(name: str | None) -> tuple[Settings | None, StackState]:
    """The stack's configuration and state; of one that was removed, as one may after a destroy, the file if any."""
    stack = ""
    try:
        stack = selected_stack(name, os.environ)
        state = read_state(stack)
    except StackMissingError as problem:
        print(f"leftovers: {one_line(problem)}; going by the cluster alone", file=sys.stderr)
        settings = local_settings(stack, os.environ) if stack and stack_file(stack, os.environ).exists() else None
        return settings, StackState()
    return stack_settings(stack), state


def main(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    settings, state = _stack(options.stack)
    kubectl = open_cluster(settings, os.environ)
    context = settings.cluster.kube_context if settings else None
    print(report(ask(kubectl), state, shell_options(kubectl, os.environ, context)))
    return 0
