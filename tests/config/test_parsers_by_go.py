"""What Go's own parsers say, of which ours are short copies: a recorded table, and the parsers themselves, asked again.

tests/data/go_says.json holds, by kind, what Go accepts and what it refuses. A refusal of ours must be one of Go's and,
but for regular expressions, an acceptance as well. To record the table again: python -m tests.config.test_parsers_by_go
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from oceanid_cluster.config import images, parsers
from oceanid_cluster.config.go_regexp import check_go_regexp
from oceanid_cluster.config.ssh_keys import knows_host
from sandbox.layout import ROOT


def find_host(text: str) -> None:
    """The first line, host and port, in the lines of known_hosts that follow. Raises ValueError."""
    address, _, lines = text.partition("\n")
    host, _, port = address.rpartition(":")
    if not knows_host(lines, host.strip("[]"), int(port)):
        raise ValueError


DATA = ROOT / "tests" / "data"
RECORDED = DATA / "go_says.json"
OURS: dict[str, Callable[[str], object]] = {
    "regexp": check_go_regexp,
    "image": images.image_repository,
    "quantity": parsers.quantity,
    "known_hosts": find_host,
}
# Kinds whose refusals are left to Go where they are not sure.
LENIENT = {"regexp"}


def refuses(kind: str, text: str) -> bool:
    try:
        OURS[kind](text)
    except ValueError:
        return True
    return False


def go_says(questions: Iterable[tuple[str, str]]) -> list[str]:
    """Go's refusal of each question (a kind and a text), or nothing; with the modules that the sandbox pins."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    go = shutil.which("go", path=path)
    assert go, "this test asks Go: install it"
    asked = "\n".join(json.dumps({"kind": kind, "text": text}) for kind, text in questions)
    folder = ROOT / "sandbox" / "tools"
    run = subprocess.run(
        [go, "run", DATA / "go_says.go"], input=asked, cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def recorded() -> list[tuple[str, str, bool]]:
    """Kind, text, and whether Go refuses it."""
    table = json.loads(RECORDED.read_text(encoding="utf-8"))
    return [
        (kind, text, refused)
        for kind, texts in table.items()
        for refused, word in ((False, "accepted"), (True, "refused"))
        for text in texts[word]
    ]


def differences(answers: Iterable[tuple[str, str, bool]]) -> list[tuple[str, str]]:
    """Where we refuse what Go takes or, of all kinds but the lenient, take what Go refuses."""
    return [
        (kind, text)
        for kind, text, refused in answers
        if refuses(kind, text) != refused and not (kind in LENIENT and refused)
    ]


def test_what_go_accepts_is_accepted_and_what_it_refuses_is_refused() -> None:
    assert differences(recorded()) == []


def test_a_regular_expression_of_another_language_is_refused_with_what_go_lacks() -> None:
    for pattern, reason in (
        (r"^/api(?!/x)", "no look-ahead"), (r"(?<=/)x", "no look-behind"), (r"(a)\1", "no backreferences"),
        (r"(?>a)", "no atomic groups"), (r"/api/**", "Go repeats no repetition"), (r"*.html", "nothing to repeat"),
        (r"a|*", "nothing to repeat"), (r"(/", "a '(' without its ')'"), (r"/a)", "a ')' without its '('"),
        (r"[a", "a '[' without its ']'"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=re.escape(reason)):
            check_go_regexp(pattern)


@pytest.mark.slow
def test_the_table_is_what_go_says() -> None:
    table = recorded()
    said = go_says((kind, text) for kind, text, _ in table)
    assert [one for one, error in zip(table, said, strict=True) if one[2] != bool(error)] == []


def record() -> None:
    """Ask Go about the texts of the table again, and write what it says."""
    texts = [(kind, text) for kind, text, _ in recorded()]
    table: dict[str, dict[str, list[str]]] = {kind: {"accepted": [], "refused": []} for kind in OURS}
    for (kind, text), error in zip(texts, go_says(texts), strict=True):
        table[kind]["refused" if error else "accepted"].append(text)
    RECORDED.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
