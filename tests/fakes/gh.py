"""A fake of ``gh issue`` that answers as gh does, with the issues of a repository in a JSON file ($GH_FAKE).

Read in cli/cli (commit 44ee177): pkg/cmd/issue/{list,create,edit,close}, api/queries_issue.go for the author. An issue
in the file: ``{"author": {"login", "id"?, "name"?}, "state", "title", "body", "comments"}``; an author without an id is
a bot. Flags of gh that we do not use are refused here.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

_BODY_LIMIT = 65536  # characters; GitHub's own check of a body
_Issues = list[dict[str, Any]]


def _author(author: dict[str, str]) -> dict[str, Any]:
    """How gh exports an author: Author.MarshalJSON. An app has no id there, and ``app/`` before its name."""
    if not author.get("id"):
        return {"is_bot": True, "login": f"app/{author['login']}"}
    return {"is_bot": False, "login": author["login"], "id": author["id"], "name": author.get("name", "")}


def _list(options: argparse.Namespace, issues: _Issues) -> None:
    """``listIssues`` of list/http.go: newest first, and as many as the limit, which is 30 unless it is given."""
    numbered = [(number, one) for number, one in enumerate(issues, 1) if one["state"] == options.state]
    found = numbered[::-1][: options.limit]
    known = [{"number": n, "title": one["title"], "author": _author(one["author"])} for n, one in found]
    print(json.dumps([{name: one[name] for name in options.json.split(",")} for one in known], separators=(",", ":")))


def _body(mutation: str) -> str:
    """The body on standard input; GitHub refuses one that is too long."""
    body = sys.stdin.read()
    if len(body) > _BODY_LIMIT:
        sys.exit(f"GraphQL: Body is too long (maximum is {_BODY_LIMIT} characters) ({mutation})")
    return body


def _create(options: argparse.Namespace, issues: _Issues) -> None:
    author = {"login": "github-actions"}  # GH_TOKEN is the workflow's own
    body = _body("createIssue")
    issues.append({"author": author, "state": "open", "title": options.title, "body": body, "comments": []})


def _edit(options: argparse.Namespace, issues: _Issues) -> None:
    issues[options.number - 1]["body"] = _body("updateIssue")


def _close(options: argparse.Namespace, issues: _Issues) -> None:
    issues[options.number - 1]["comments"].append(options.comment)
    issues[options.number - 1]["state"] = "closed"


def main(arguments: list[str]) -> None:
    """Answer one command."""
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(required=True).add_parser("issue").add_subparsers(required=True)
    one = verbs.add_parser("list")
    one.set_defaults(do=_list)
    one.add_argument("--state", choices=["open", "closed"], default="open")
    one.add_argument("--limit", type=int, default=30)
    one.add_argument("--json", required=True)
    for name, do in (("create", _create), ("edit", _edit), ("close", _close)):
        one = verbs.add_parser(name)
        one.set_defaults(do=do)
        if name != "create":
            one.add_argument("number", type=int)
        for flag in {"create": ("--title", "--body-file"), "edit": ("--body-file",), "close": ("--comment",)}[name]:
            one.add_argument(flag, required=True)
    options = parser.parse_args(arguments)
    file = Path(os.environ["GH_FAKE"])
    issues: _Issues = json.loads(file.read_text(encoding="utf-8"))
    options.do(options, issues)
    file.write_text(json.dumps(issues), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
