"""What a destroy kept, and how to remove it: ``python -m oceanid_cluster.remains``. It looks and deletes nothing."""

import sys

from oceanid_cluster import labels
from oceanid_cluster.commands import CommandError, kubectl_get

_GROUPS = (".toolkit.fluxcd.io", ".pulumi.com")


def look() -> tuple[list[str], list[str]]:
    """What is left of the program in the cluster, one line each, and the commands that remove it. Raises CommandError.

    Flux's definitions come first, and by Flux's own command: it takes the finalizers off, without which a namespace
    stays in Terminating for ever ("flux uninstall" in its documentation).
    """
    namespaces = [one["metadata"]["name"] for one in kubectl_get("namespaces", "-l", f"{labels.MANAGED_BY}=pulumi")]
    definitions = [one["metadata"]["name"] for one in kubectl_get("customresourcedefinitions")]
    ours = sorted(name for name in definitions if name.endswith(_GROUPS))
    lines = [_namespace(name) for name in namespaces] + [f"definition of {name}" for name in ours]
    flux = "flux-system"
    commands = [f"flux uninstall --namespace={flux}"] if any(name.endswith(_GROUPS[0]) for name in ours) else []
    others = [name for name in namespaces if name != flux or not commands]
    if others:
        commands.append(f"kubectl delete namespace {' '.join(others)}")
    if pulumi := [name for name in ours if name.endswith(_GROUPS[1])]:
        commands.append(f"kubectl delete customresourcedefinition {' '.join(pulumi)}")
    return lines, commands


def _namespace(name: str) -> str:
    claims = [one["metadata"]["name"] for one in kubectl_get("persistentvolumeclaims", "-n", name)]
    pods = len(kubectl_get("pods", "-n", name))
    inside = [f"volume claim {claim}" for claim in claims] + ([f"{pods} pods"] if pods else [])
    return f"namespace {name}" + (f", with {', '.join(inside)}" if inside else "")


def main() -> int:
    """Run the command; returns the exit code."""
    try:
        lines, commands = look()
    except CommandError as problem:
        print(f"remains: cannot tell: {problem}", file=sys.stderr)
        return 2
    if not lines:
        print("Nothing of this program is left in the cluster.")
        return 0
    print("Left in the cluster, on purpose:", *lines, sep="\n  ")
    print("To remove it for good, with all data and everything else in these namespaces:", *commands, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
