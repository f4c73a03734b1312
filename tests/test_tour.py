"""The tour's page, and how what its commands say gets into it; the commands themselves run in tests/engine."""

import re
from pathlib import Path

from tests.tour import PAGE, WIDTH, Step, run, steps, varied, written

TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLE = """\
Words.

```console
$ make up
first
[…]
Duration: 21s
$ true
```

```bash
$ not a command of the tour
```

<!-- $ make graph -->
```mermaid
flowchart LR
```
"""


def test_the_page_holds_nothing_of_the_machine_on_which_it_was_made() -> None:
    assert not re.search(r"/(tmp|root|home|var|Users)/", TEXT)
    assert max(map(len, TEXT.splitlines())) <= WIDTH
    assert "[secret]" in TEXT


def test_the_page_shows_what_a_first_day_needs() -> None:
    said = {step.command: "\n".join(step.said) for step in steps(TEXT)}
    for command in (
        "make up",
        "make preview",
        "make gitops",
        "make health",
        "make graph",
        "git push --quiet",
        "make down",
    ):
        assert command in said
    assert "failed" not in said["make health"]
    assert said["make graph"].startswith("flowchart")
    assert "does not exist (a deploy puts it back" in said["make health | grep -v ' ok ' | tr -s ' '"]


def test_commands_are_read_from_the_page() -> None:
    assert steps(EXAMPLE) == [
        Step("make up", ("first", "[…]", "Duration: 21s")),
        Step("true", ()),
        Step("make graph", ("flowchart LR",)),
    ]


def test_what_varies_leaves_the_page_as_it_is_and_all_else_does_not() -> None:
    up = ["first", "another", "line", "Duration: 1m2s"]
    assert written(EXAMPLE, [up, [], ["flowchart LR"]]) == EXAMPLE
    changed = written(EXAMPLE, [["FIRST", *up[1:]], ["said"], ["flowchart LR", "  a"]])
    assert [step.said for step in steps(changed)] == [
        ("FIRST", "[…]", "Duration: 1m2s"),
        ("said",),
        ("flowchart LR", "  a"),
    ]
    assert changed.count("$ not a command of the tour") == 1


def test_what_varies_is_what_no_reader_compares() -> None:
    lines = [
        "deploy-5d9f8c7b6d-x2x4z 12s v1.34.3 https://127.0.0.1:41234 main@sha1:0123456789abcdef",
        "make: Makefile:53:",
    ]
    assert varied(lines) == ["deploy-POD TIME VERSION https://127.0.0.1:PORT main@DIGEST", "make: Makefile:LINE:"]
    assert varied(["replicas 3", "2/2"]) == ["replicas 3", "2/2"]


def test_the_commands_share_one_shell_and_say_nothing_of_its_folder(tmp_path: Path) -> None:
    notes: list[str] = []
    commands = ["mkdir -p .sandbox/inner && cd .sandbox/inner", "pwd; echo error >&2", "false", "echo; echo \"'a b'\""]
    assert run(commands, tmp_path, notes.append) == [[], [".sandbox/inner", "error"], [], ["'a b'"]]
    assert [note for note in notes if note not in commands] == [f"exit code {code}" for code in (0, 0, 1, 0)]
