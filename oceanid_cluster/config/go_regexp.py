r"""Mistakes in Go regular expressions that people bring from other languages.

cloudflared compiles the path of an ingress rule with Go's package regexp, and does not start when that fails. These
rules are some of regexp/syntax/parse.go, and none of them refuses what Go takes; what else Go refuses (names of
classes, limits, letters after a backslash) is left to cloudflared.
"""

import re

_CLASS = r"\[\^?\]?(?:\\.|\[:\^?[a-z]*:\]|[^\]\\])*\]"
_TOKEN = re.compile(rf"\\Q.*?(?:\\E|\Z)|\\[0-7]{{1,3}}|\\.|{_CLASS}|\(\?(?:<?[=!]|[>#(|])|.", re.DOTALL)
_UNKNOWN = {
    "(?=": "look-ahead", "(?!": "look-ahead", "(?<=": "look-behind", "(?<!": "look-behind", "(?>": "atomic groups",
    "(?#": "comments", "(?(": "conditions", "(?|": "branch reset",
}  # fmt: skip


def check_go_regexp(pattern: str) -> None:
    """Raise ValueError with the reason if Go certainly does not compile ``pattern``."""
    depth, before = 0, "("  # nothing can be repeated at the start, as after what opens a group
    for token in _TOKEN.findall(pattern):
        if token in _UNKNOWN:
            raise ValueError(f"has '{token}': Go's regular expressions have no {_UNKNOWN[token]}")
        if re.fullmatch(r"\\[1-9]", token):
            raise ValueError(f"has '{token}': Go's regular expressions have no backreferences")
        if token == "[":
            raise ValueError("has a '[' without its ']'")
        if token in ("*", "+") and before in ("(", "|"):
            raise ValueError(f"has '{token}' with nothing to repeat before it")
        if token in ("*", "+") and before in ("*", "+"):
            raise ValueError(f"has '{before}{token}': Go repeats no repetition")
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth < 0:
            raise ValueError("has a ')' without its '('")
        before = token
    if depth:
        raise ValueError("has a '(' without its ')'")
