"""Asks the Pulumi CLI: which stack, and what it holds. The one place that knows what its refusals mean."""

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from oceanid_cluster.startup.configuration import FOLDER_VARIABLE, project_folder
from oceanid_cluster.startup.processes import CommandError, PermanentError, answer_of, last_words, run

_SHOW_NAME = ("stack", "--show-name", "--fully-qualify-stack-names")
_STACKS = "pulumi stack ls"
# Its name, behind its project and its organization (pulumi: sdk/go/common/tokens/names.go).
_NAME = re.compile(r"([\w-][\w.-]*/){0,2}[\w.-]+", re.ASCII)
_TIMEOUT_SECONDS = 60
_NO_PROJECT = "no Pulumi.yaml project file found"
_NO_STACK = "no stack named"
_NONE_SELECTED = "no stack selected"
_WITHOUT_PULUMI = (
    "Without Pulumi:  health --all --stack <name>, graph --all --stack <name>, render <folder> --stack <name>"
)


class StackMissingError(PermanentError):
    """There is no such stack, or none is selected."""


def how_to_choose_the_folder(environ: Mapping[str, str]) -> str:
    """Why the CLI looks in ``project_folder``, and how to have it look in another folder."""
    if environ.get(FOLDER_VARIABLE):
        return f"The variable {FOLDER_VARIABLE} leads to that folder; to use the current one:  unset {FOLDER_VARIABLE}"
    return "That is the current folder; run it where the file is:  cd <clone>"


def selected_stack(given: str | None, environ: Mapping[str, str]) -> str:
    """The stack that a command is about: ``given``, else that of PULUMI_STACK, else the one that Pulumi has selected.

    Only the last of these asks Pulumi, and through it the backend. The name is complete: of another organization than
    the default one, a short name would lead elsewhere. Raises StackMissingError when none is selected, PermanentError
    for what cannot be a name, CommandError when Pulumi cannot tell.
    """
    for source, name in (("--stack", given), ("PULUMI_STACK", environ.get("PULUMI_STACK") or None)):
        if name is not None:
            if not _NAME.fullmatch(name):
                raise PermanentError(f"{source}: {name!r} is not the name of a stack; see which there are:  {_STACKS}")
            return name
    return ask_pulumi(*_SHOW_NAME).strip()


def ask_pulumi(*arguments: str, stack: str | None = None) -> str:
    """What ``pulumi`` answers, about a stack.

    Raises StackMissingError when there is no such stack, or none is selected; CommandError, which says what works
    without Pulumi, when it cannot answer.
    """
    chosen = ["--stack", stack] if stack else []
    try:
        result = run("pulumi", *arguments, "--non-interactive", *chosen, stdin="", timeout_seconds=_TIMEOUT_SECONDS)
    except CommandError as problem:
        raise type(problem)(f"{problem}\n{_WITHOUT_PULUMI}") from None
    if not result.returncode:
        return result.stdout
    said = result.stderr + result.stdout
    if _NO_PROJECT in said:
        folder, choice = project_folder(os.environ), how_to_choose_the_folder(os.environ)
        raise PermanentError(f"there is no Pulumi.yaml in {folder}, nor above it.\n{choice}")
    if _NO_STACK in said or (stack and _NONE_SELECTED in said):
        raise StackMissingError(f"there is no stack '{stack}'; see which there are:  {_STACKS}")
    if _NONE_SELECTED in said:
        raise StackMissingError("no stack is selected; choose one:  pulumi stack select <name>  (or: --stack <name>)")
    raise CommandError(f"'pulumi {' '.join(arguments[:2])}' failed: {last_words(result)}\n{_WITHOUT_PULUMI}")


def entries(stack: str, *options: str) -> Mapping[str, dict[str, Any]]:
    """The stack's configuration: each key, with its namespace, and what Pulumi shows of it. Raises CommandError."""
    with answer_of("pulumi", "config"):
        return json.loads(ask_pulumi("config", "--json", *options, stack=stack))
