"""Keeps one issue of the repository open while there is something to say, by GitHub's ``gh``."""

import json
from collections.abc import Mapping
from typing import Any

from oceanid_cluster.startup.processes import answer_of, check_output

# How the author of an issue that a workflow opened is called: by gh (api/queries_issue.go), by the API, by older gh.
_WORKFLOWS = ("app/github-actions", "github-actions[bot]", "github-actions")
_ALL = "10000"  # gh asks for pages of a hundred until there are no more


def keep(title: str, body: str | None, closing: str) -> None:
    """Make the issue of this title say ``body``: open it, or edit it; without a body, close it with ``closing``.

    Only issues that workflows opened count: anybody may open one of the same title. No two jobs may keep the same one.
    They are filtered here: ``gh issue list --app`` finds none of a workflow's issues (cli/cli issue 5888). Raises
    CommandError when ``gh`` is missing or fails; then nothing more is done.
    """
    listed = check_output("gh", "issue", "list", "--state", "open", "--limit", _ALL, "--json", "number,title,author")
    with answer_of("gh"):
        issues = [one for one in json.loads(listed) if one["title"] == title]
        found = [str(one["number"]) for one in issues if _by_a_workflow(one.get("author") or {})]
    for number in found:
        if body is None:
            check_output("gh", "issue", "close", number, "--comment", closing)
        else:
            check_output("gh", "issue", "edit", number, "--body-file", "-", stdin=body)
    if body is not None and not found:
        check_output("gh", "issue", "create", "--title", title, "--body-file", "-", stdin=body)


def _by_a_workflow(author: Mapping[str, Any]) -> bool:
    return author.get("login") in _WORKFLOWS and author.get("is_bot") is not False
