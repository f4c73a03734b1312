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

_REPOSITORY = "https://github.com/example/example/issues"
_BODY_LIMIT = 65536  # characters; GitHub's own check of a body


def _author(author: dict[str, str]) -> dict[str, Any]:
    """How gh exports an author: Author.MarshalJSON. An app has no id there, and ``app/`` before its name."""
    if not author.get("id"):
        return {"is_bot": True, "login": f"app/{author['login']}"}
    return {"is_bot": False, "login": author["login"], "id": author["id"], "name": author.get("name", "")}


def _list(options: argparse.Namespace, issues: list[dict[str, Any]]) -> int:
    """``listIssues`` of list/http.go: newest first, and as many as the limit, which is 30 unless it is given.

    With ``--app`` it asks for the creator ``app/<name>``, of whom the API knows no issue (cli/cli issue 5888).
    """
    numbered = [(number, one) for number, one in enumerate(issues, 1) if one["state"] == options.state]
    found = [] if options.app else numbered[::-1][: options.limit]
    fields = options.json.split(",")
    known = [{"number": n, "title": one["title"], "author": _author(one["author"])} for n, one in found]
    print(json.dumps([{name: one[name] for name in fields} for one in known], separators=(",", ":")))
    return 0


def _refused(body: str, mutation: str, prefix: str) -> bool:
    """Whether GitHub refuses the body, and what gh then prints."""
    if len(body) <= _BODY_LIMIT:
        return False
    print(f"{prefix}GraphQL: Body is too long (maximum is {_BODY_LIMIT} characters) ({mutation})", file=sys.stderr)
    return True


def _create(options: argparse.Namespace, issues: list[dict[str, Any]]) -> int:
    body = sys.stdin.read()
    if _refused(body, "createIssue", ""):
        return 1
    author = {"login": "github-actions"}  # GH_TOKEN is the workflow's own
    issues.append({"author": author, "state": "open", "title": options.title, "body": body, "comments": []})
    print(f"{_REPOSITORY}/{len(issues)}")
    return 0


def _edit(options: argparse.Namespace, issues: list[dict[str, Any]]) -> int:
    body = sys.stdin.read()
    if _refused(body, "updateIssue", f"failed to update {_REPOSITORY}/{options.number}: "):
        print("failed to update 1 issue", file=sys.stderr)
        return 1
    issues[options.number - 1]["body"] = body
    print(f"{_REPOSITORY}/{options.number}")
    return 0


def _close(options: argparse.Namespace, issues: list[dict[str, Any]]) -> int:
    issue = issues[options.number - 1]
    where = f"example/example#{options.number} ({issue['title']})"
    if issue["state"] == "closed":
        print(f"! Issue {where} is already closed", file=sys.stderr)
        return 0
    issue["comments"].append(options.comment)
    issue["state"] = "closed"
    print(f"✓ Closed issue {where}", file=sys.stderr)
    return 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="noun", required=True).add_parser("issue").add_subparsers(required=True)
    one = verbs.add_parser("list")
    one.set_defaults(do=_list)
    one.add_argument("--app")
    one.add_argument("--state", choices=["open", "closed"], default="open")
    one.add_argument("--limit", type=int, default=30)
    one.add_argument("--json", required=True)
    one = verbs.add_parser("create")
    one.set_defaults(do=_create)
    one.add_argument("--title", required=True)
    one.add_argument("--body-file", choices=["-"], required=True)
    one = verbs.add_parser("edit")
    one.set_defaults(do=_edit)
    one.add_argument("number", type=int)
    one.add_argument("--body-file", choices=["-"], required=True)
    one = verbs.add_parser("close")
    one.set_defaults(do=_close)
    one.add_argument("number", type=int)
    one.add_argument("--comment", required=True)
    options = parser.parse_args(arguments)
    file = Path(os.environ["GH_FAKE"])
    issues: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    code = options.do(options, issues)
    if not code:
        file.write_text(json.dumps(issues), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
