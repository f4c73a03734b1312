"""The CI guard, and how a start-up check ends a run."""

import pulumi
import pytest

from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup.guard import check_not_hosted_ci, start_up_checks

ACTIONS = {"CI": "true", "GITHUB_ACTIONS": "true"}


@pytest.mark.parametrize(
    "environ",
    [
        ACTIONS,
        {**ACTIONS, "RUNNER_ENVIRONMENT": "github-hosted", "SELF_HOSTED": "true"},
        {**ACTIONS, "SELF_HOSTED": "yes"},
        {"GITHUB_ACTIONS": "true"},
        {"GITHUB_ACTIONS": "true", "CI": "false"},
        {"GITHUB_ACTIONS": " True\n"},
        {"GITHUB_ACTIONS": "1"},
        {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "someone-else", "SELF_HOSTED": "true"},
        {"RUNNER_ENVIRONMENT": "GitHub-hosted", "SELF_HOSTED": "true"},
    ],
)
def test_a_github_hosted_job_is_stopped_and_told_where_to_go(environ: dict[str, str]) -> None:
    with pytest.raises(StartUpError, match="CLUSTER STACK CANNOT RUN IN GITHUB ACTIONS") as caught:
        check_not_hosted_ci(environ)
    assert "cloud/" in str(caught.value)
    assert "self-hosted runner" in str(caught.value)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"CI": "true"},
        {"CI": "true", "GITHUB_ACTIONS": "false"},
        {**ACTIONS, "RUNNER_ENVIRONMENT": "self-hosted"},
        {**ACTIONS, "SELF_HOSTED": "true"},
    ],
)
def test_a_laptop_and_a_self_hosted_runner_pass(environ: dict[str, str]) -> None:
    check_not_hosted_ci(environ)


def test_what_fails_at_start_up_ends_the_run_with_its_message_alone() -> None:
    with pytest.raises(pulumi.RunError, match=r"^what is wrong$") as caught, start_up_checks():
        raise StartUpError("what is wrong")
    assert caught.value.__suppress_context__  # no traceback
