"""The checks before the first resource: they end the run with one message; GitHub-hosted runners are kept away."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from oceanid_cluster.config.errors import StartUpError


@contextmanager
def start_up_checks() -> Generator[None]:
    """What is checked in here ends the run with its message alone: RunError is how Pulumi is told so."""
    try:
        yield
    except StartUpError as problem:
        import pulumi  # commands that only look are quicker without it

        raise pulumi.RunError(str(problem)) from None


def in_github_actions(environ: Mapping[str, str]) -> bool:
    """Whether this is a job of GitHub Actions. It sets GITHUB_ACTIONS on every job; a job may change CI."""
    return environ.get("GITHUB_ACTIONS", "").strip().lower() not in ("", "false", "0")


def check_not_hosted_ci(environ: Mapping[str, str]) -> None:
    """Stop the program in GitHub Actions, unless the job runs on a self-hosted runner.

    ``environ`` is the process environment, with the variables that GitHub sets on every job ("Variables reference" in
    its documentation). Raises StartUpError before anything else is read.
    """
    runner = environ.get("RUNNER_ENVIRONMENT", "").strip().lower()
    self_hosted = runner == "self-hosted" or (not runner and environ.get("SELF_HOSTED") == "true")
    if runner == "github-hosted" or (in_github_actions(environ) and not self_hosted):
        raise StartUpError(
            "CLUSTER STACK CANNOT RUN IN GITHUB ACTIONS\n"
            "  found: GITHUB_ACTIONS is set, and this is not a self-hosted runner.\n"
            "  If you meant cloud resources (DNS, Access, databases), change the cloud/ stack instead.\n"
            "  To deploy the cluster, run the workflow 'Deploy Cluster (self-hosted)' on the self-hosted runner"
            " (RUNNER_ENVIRONMENT=self-hosted, which GitHub sets, or SELF_HOSTED=true)."
        )
