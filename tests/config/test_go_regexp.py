"""Paths of ingress rules are Go's regular expressions: what Go says of a table of cases, we say too."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oceanid_cluster.config.go_regexp import check_go_regexp

DATA = Path(__file__).parent.parent / "data"
TABLE = json.loads((DATA / "go_regexps.json").read_text(encoding="utf-8"))
ACCEPTED: list[str] = TABLE["accepted"]
REFUSED: dict[str, str] = TABLE["refused"]

# Pieces that mean something to Go, to another language of regular expressions, or to both in different ways.
PIECES = (
    *"ab/-.|()[]{}^$*+?\\é", "\\d", "\\W", "\\b", "\\z", "\\Z", "\\C", "\\Q", "\\E", "\\pL", "\\p{Greek}",
    "\\P{^Han}", "\\p{Nope}", "\\x41", "\\x{10FFFF}", "\\x{110000}", "\\07", "\\1", "\\12", "\\8", "\\n", "\\e",
    "(?:", "(?i)", "(?i-s:", "(?-)", "(?x)", "(?P<n>", "(?<n>", "(?P=n)", "(?=", "(?!", "(?<=", "(?>", "(?#",
    "{2}", "{2,}", "{,3}", "{0}", "{1000}", "{1001}", "{3,2}", "{01}", "*?", "++", "**", "[a-z]", "[z-a]",
    "[^a]", "[]a]", "[[:alpha:]]", "[[:nope:]]", "[\\d-z]",
)  # fmt: skip


def refusal(pattern: str) -> str:
    """Why the pattern is refused; nothing if it is accepted."""
    try:
        check_go_regexp(pattern)
    except ValueError as problem:
        return str(problem)
    return ""


@pytest.mark.parametrize("pattern", ACCEPTED, ids=lambda pattern: repr(pattern)[:40])
def test_what_go_accepts_is_accepted(pattern: str) -> None:
    assert refusal(pattern) == ""


@pytest.mark.parametrize("pattern", REFUSED, ids=lambda pattern: repr(pattern)[:40])
def test_what_go_refuses_is_refused(pattern: str) -> None:
    assert refusal(pattern)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"^/api(?!/x)", "no look-ahead"),
        (r"(?<=/)x", "no look-behind"),
        (r"(a)\1", "no backreferences"),
        (r"a++", "no possessive"),
        (r"(?>a)", "no atomic groups"),
        (r"\p{Nope}", "a class that Go does not know"),
        (r"(/", "a '(' without its ')'"),
        (r"a{1001}", "Go takes up to 1000"),
        (r"*.html", "nothing to repeat"),
    ],
)
def test_a_refusal_says_what_go_lacks(pattern: str, reason: str) -> None:
    assert reason in refusal(pattern)


@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
def test_go_itself_agrees_with_the_table_and_with_us() -> None:
    generated: list[str] = []

    @given(st.lists(st.sampled_from(PIECES), max_size=10).map("".join) | st.text(max_size=12))
    def collect(pattern: str) -> None:
        generated.append(pattern)

    collect()
    patterns = list(dict.fromkeys([*ACCEPTED, *REFUSED, *generated]))
    asked = "\n".join(json.dumps(pattern) for pattern in patterns)
    said = subprocess.run(
        ["go", "run", DATA / "go_regexps.go"], input=asked, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    answers = dict(zip(patterns, map(json.loads, said[1:]), strict=True))
    assert [p for p, error in answers.items() if bool(error) != bool(refusal(p))] == [], said[0]
    if said[0] == TABLE["go"]:  # another Go may know more classes
        assert [p for p in (*ACCEPTED, *REFUSED) if bool(answers[p]) != (p in REFUSED)] == []
