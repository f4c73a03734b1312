"""Stands in for ``gh issue`` with the issues of a repository in a JSON file, which the variable GH_STAND_IN names."""

import argparse
import json
import os
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    file = Path(os.environ["GH_STAND_IN"])
    issues: list[dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="noun").add_parser("issue").add_subparsers(dest="verb")
    one = verbs.add_parser("list")
    one.add_argument("--app")
    one.add_argument("--state")
    one.add_argument("--limit", type=int)
    one.add_argument("--json")
    one = verbs.add_parser("create")
    one.add_argument("--title")
    one.add_argument("--body-file", choices=["-"])
    one = verbs.add_parser("edit")
    one.add_argument("number", type=int)
    one.add_argument("--body-file", choices=["-"])
    one = verbs.add_parser("close")
    one.add_argument("number", type=int)
    one.add_argument("--comment")
    options = parser.parse_args(arguments)
    if options.verb == "list":
        found = [issue for issue in issues if (issue["app"], issue["state"]) == (options.app, options.state)]
        print(json.dumps([{"number": issues.index(issue) + 1, "title": issue["title"]} for issue in found]))
        return 0
    if options.verb == "create":
        issues.append({"app": "github-actions", "state": "open", "title": options.title, "body": sys.stdin.read()})
    elif options.verb == "edit":
        issues[options.number - 1]["body"] = sys.stdin.read()
    else:
        issues[options.number - 1]["state"] = "closed"
    file.write_text(json.dumps(issues), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
