"""What only ``make test-full`` runs: the long variants of a promise, and what only a dependency could break.

Every test of WITNESSES has a cheaper one of the same promise in ``make test``; those of DEPENDENCIES have none, for
nothing of this repository decides them. The names are those of functions, with the ids of single cases.
"""

from pathlib import PurePath

ENGINE = "tests/engine"
_BROKEN = f"{ENGINE}/test_crash.py::test_the_next_up_finishes_what_a_broken_one_began"
_KILLED = f"{_BROKEN}[everything killed, pko-helm creating"  # engine and provider among it
_LIFECYCLE = f"{ENGINE}/test_lifecycle.py"
_DESTROYED = f"{_LIFECYCLE}::test_destroy_ends_where_flux_is_dead_keeps_what_cannot_be_made_again_and_up_works_after_it"
_NOT_AWAITED = "tests/test_program.py::test_nothing_waits_for_the_root_kustomization"
_LOST_STATE = f"{ENGINE}/test_recovery.py::test_a_lost_state_is_made_again_around_the_living_cluster"
_GITOPS = f"{ENGINE}/test_gitops.py"
_WORKFLOWS = f"{ENGINE}/test_workflows.py"
_HALF_WAY = f"{_WORKFLOWS}::test_a_first_deploy_that_fails_half_way_shows_no_secret_and_is_run_again"

WITNESSES = {
    # Other moments at which a run is broken.
    **{
        f"{_BROKEN}[{what}": _KILLED
        for what in (
            "engine stopped by Ctrl-C",
            "engine told to end",
            "engine killed",
            "language host killed",
            "provider killed",
            "API server killed",
            "everything killed, 76",
        )
    },
    f"{ENGINE}/test_crash.py::test_make_gitops_killed_at_several_places_is_finished_by_the_next_one": _KILLED,
    f"{ENGINE}/test_recovery.py::test_after_a_killed_engine_the_documented_commands_finish_the_run": _KILLED,
    # Longer rows of steps.
    f"{ENGINE}/test_histories.py::test_a_known_history_converges_and_loses_nothing": _LOST_STATE,
    f"{ENGINE}/test_recovery.py::test_a_volume_grown_by_hand_as_the_runbook_says_leaves_nothing_to_do": (
        f"{ENGINE}/test_changes.py::test_many_changes_in_one_run_are_exactly_those_changes"
    ),
    # The same in another form.
    f"{ENGINE}/test_endpoints.py::test_after_a_rotated_client_certificate_every_documented_command_uses_the_new_one": (
        f"{ENGINE}/test_endpoints.py::test_a_refresh_uses_todays_kubeconfig_and_updates_nothing_but_the_provider"
    ),
    f"{_WORKFLOWS}::test_a_deploy_on_a_bare_cluster_succeeds_at_once_and_shows_no_secret": _HALF_WAY,
    f"{_WORKFLOWS}::test_the_workflow_installs_what_the_program_needs": (
        "tests/test_workflow_files.py::test_nothing_is_installed_with_the_pulumi_token_and_all_else_is_removed"
    ),
    f"{ENGINE}/test_the_sandbox.py::test_a_first_start_with_downloaded_tools_needs_no_go": (
        "tests/test_download.py::test_every_tool_is_downloaded_in_the_form_of_its_project_and_kept"
    ),
    # Applications in Git.
    f"{_GITOPS}::test_an_up_while_flux_reconciles_changes_nothing_of_git_and_git_nothing_of_it": (
        f"{_GITOPS}::test_what_pulumi_owns_git_can_neither_change_nor_prune"
    ),
    f"{_GITOPS}::test_an_application_that_waits_for_the_operator_does_not_deadlock_the_bootstrap": _NOT_AWAITED,
    f"{_GITOPS}::test_destroy_leaves_the_applications_running_with_flux_alive_and_with_flux_dead": _DESTROYED,
}

DEPENDENCIES = {
    f"{ENGINE}/test_git_access.py::test_git_is_read_with_the_token_of_a_github_app": (
        "source-controller: which keys of the Secret it reads; that we write them is in tests/components/test_flux.py"
    ),
    f"{ENGINE}/test_git_access.py::test_only_signed_commits_are_followed_when_keys_are_given": (
        "source-controller: that it verifies; that we ask for it is in tests/components/test_flux.py"
    ),
}


def matches(nodeid: str, name: str) -> bool:
    """Whether a test has this name of a table: the whole of it, or with an id, or the beginning of its id."""
    return nodeid == name or nodeid.startswith(name if "[" in name else f"{name}[")


def is_full(nodeid: str) -> bool:
    """Whether only ``make test-full`` runs a test."""
    return any(matches(PurePath(nodeid).as_posix(), name) for name in (*WITNESSES, *DEPENDENCIES))
