"""What `pulumi stack output` answers."""

from collections.abc import Mapping
from typing import Any

from oceanid_cluster.config.cluster import PHASES

_DONE = ("IaC components deployed", "Parallel validation complete", "Cutover to IaC complete")
_NEXT_STEPS = {
    "preparation": (
        "Deploy this stack and check its health",
        "Compare its preview with what the scripts do",
        "Set migration_phase to parallel-validation",
    ),
    "parallel-validation": (
        "Run the scripts and this stack side by side",
        "Compare what they leave in the cluster",
        "Watch both for one to two weeks",
        "Fix the differences here",
        "Set migration_phase to cutover",
    ),
    "cutover": (
        "Stop the scripts",
        "Point the documentation at this stack",
        "Watch the next deployments",
        "Mark the scripts as deprecated",
        "Set migration_phase to cleanup",
    ),
    "cleanup": (
        "Delete the scripts",
        "Remove what refers to them",
        "Remove their CI jobs",
        "Forbid changes by hand",
        "Review the documentation once more",
    ),
}


def migration_status(phase: str, enabled: Mapping[str, bool]) -> dict[str, Any]:
    """Where the migration stands, as configured; ``enabled`` says of each component whether this run installs it.

    It reports and never acts.
    """
    return {
        "phase": phase,
        "completedComponents": list(_DONE[: PHASES.index(phase)]),
        "activeComponents": [name for name, on in enabled.items() if on],
        "nextSteps": list(_NEXT_STEPS[phase]),
    }
