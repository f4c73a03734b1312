r"""Whether Go accepts a regular expression: the syntax of Go's package regexp, which is RE2 without ``\C``.

cloudflared compiles the path of an ingress rule with it and refuses the whole file when that fails. Python's ``re``
knows another language, so the pattern is read here. tests/data/go_regexps.json holds what Go itself says of a table of
cases.
"""

import re
from dataclasses import dataclass, field

from oceanid_cluster.config.unicode_classes import NAMES

# Limits of Go's parser (regexp/syntax/parse.go): copies by repetition, depth of the tree, instructions of the program.
_MAX_COPIES = 1000
_MAX_HEIGHT = 1000
_MAX_SIZE = (128 << 20) // 40

_REPEAT = re.compile(r"\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}")
_GROUP_FLAGS = re.compile(r"\(\?([imsU]*)(-[imsU]+)?[:)]")
_NAMED_GROUP = re.compile(r"\(\?P?<([A-Za-z0-9_]+)>")
_POSIX = re.compile(r"\[:(.*?):\]", re.DOTALL)
_POSIX_NAMES = re.compile(r"\^?(alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit)")
_EMPTY_WIDTH = "AbBz"
_PERL_CLASSES = "dDsSwW"
_CONTROLS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}


@dataclass
class _Node:
    """What the limits need to know of a piece: most copies of one part, depth, and instructions."""

    copies: int = 1
    height: int = 1
    size: int = 1


@dataclass
class _Group:
    """An open parenthesis, or the whole pattern: the finished alternatives, and the pieces of the current one."""

    captures: bool
    alternatives: list[_Node] = field(default_factory=list[_Node])
    pieces: list[_Node] = field(default_factory=list[_Node])

    def end_alternative(self) -> None:
        self.alternatives.append(_joined(self.pieces, 0))
        self.pieces = []

    def node(self) -> _Node:
        """The group as one piece."""
        self.end_alternative()
        inner = _joined(self.alternatives, len(self.alternatives) - 1)
        return _Node(inner.copies, inner.height + 1, inner.size + 2) if self.captures else inner


def check_go_regexp(pattern: str) -> None:
    """Raise ValueError with the reason if Go would not compile ``pattern``."""
    if any(0xD800 <= ord(ch) <= 0xDFFF for ch in pattern):
        raise ValueError("is not valid Unicode")
    _Parser(pattern).run()


class _Parser:
    """Reads a pattern from left to right, without recursion: a pattern may nest as deeply as it likes."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.groups = [_Group(captures=False)]
        self.repeated = False  # whether the token before was a repetition

    def run(self) -> None:
        """Read all of it. Raises ValueError."""
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            repeats = False
            if char == "(":
                self._open()
            elif char == ")":
                self._close()
            elif char == "|":
                self.groups[-1].end_alternative()
                self.at += 1
            elif char == "[":
                self._class()
                self._add(_Node())
            elif char in "*+?{":
                repeats = self._repetition(char)
            elif char == "\\":
                self._escape_outside_class()
            else:
                self.at += 1
                self._add(_Node())
            self.repeated = repeats
        if len(self.groups) > 1:
            raise ValueError("has a '(' without its ')'")
        self._check(self.groups[0].node())

    def _add(self, node: _Node) -> None:
        self.groups[-1].pieces.append(node)

    def _check(self, node: _Node) -> _Node:
        if node.height > _MAX_HEIGHT:
            raise ValueError(f"nests more than {_MAX_HEIGHT} deep")
        if node.size > _MAX_SIZE:
            raise ValueError("is too large for Go")
        return node

    def _open(self) -> None:
        """A group: capturing, named, plain, or a change of flags that is no group at all."""
        if not self.pattern.startswith("(?", self.at):
            self.groups.append(_Group(captures=True))
            self.at += 1
            return
        named = _NAMED_GROUP.match(self.pattern, self.at)
        flags = _GROUP_FLAGS.match(self.pattern, self.at)
        found = named or flags
        if not found:
            raise ValueError(_why_not_a_group(self.pattern[self.at :]))
        self.at = found.end()
        if named or found[0].endswith(":"):
            self.groups.append(_Group(captures=named is not None))

    def _close(self) -> None:
        if len(self.groups) == 1:
            raise ValueError("has a ')' without its '('")
        node = self._check(self.groups.pop().node())
        self._add(node)
        self.at += 1

    def _repetition(self, char: str) -> bool:
        """One of ``*``, ``+``, ``?``, ``{n,m}``, each perhaps followed by ``?``; a ``{`` of no such form is itself."""
        start, low, high = self.at, 0, -1 if char in "*+" else 1
        if char == "{":
            found = _REPEAT.match(self.pattern, start)
            if not found:
                self.at += 1
                self._add(_Node())
                return False
            self.at = found.end()
            low = _number(found[1])
            high = low if not found[2] else _number(found[3]) if found[3] else -1
            if max(low, high) > _MAX_COPIES or -1 < high < low:
                raise ValueError(f"has the repetition '{found[0]}'; Go takes up to {_MAX_COPIES}, the smaller first")
        else:
            self.at += 1
        if self.pattern.startswith("?", self.at):
            self.at += 1
        operator = self.pattern[start : self.at]
        if self.repeated:
            raise ValueError(f"has '{operator}' after another repetition; Go has no possessive or stacked repetition")
        pieces = self.groups[-1].pieces
        if not pieces:
            raise ValueError(f"has '{operator}' with nothing to repeat before it")
        pieces[-1] = self._check(_repeat(pieces[-1], char, low, high))
        return True

    def _escape_outside_class(self) -> None:
        following = self.pattern[self.at + 1 : self.at + 2]
        if following == "Q":
            quoted, _, _ = self.pattern[self.at + 2 :].partition("\\E")
            ends = self.pattern.startswith("\\E", self.at + 2 + len(quoted))
            self.groups[-1].pieces += [_Node() for _ in quoted]
            self.at += 2 + len(quoted) + (2 if ends else 0)
            return
        if following and following in _EMPTY_WIDTH + _PERL_CLASSES:
            self.at += 2
        elif following and following in "pP":
            self._unicode_class()
        else:
            self._escaped_character()
        self._add(_Node())

    def _unicode_class(self) -> None:
        r"""``\pL``, ``\p{Greek}``, ``\P{^Greek}``."""
        rest = self.pattern[self.at + 2 :]
        name, end = rest[:1], 1
        if name == "{":
            name, brace, _ = rest[1:].partition("}")
            if not brace:
                raise ValueError(r"has a '\p{' without its '}'")
            end = len(name) + 2
        known = re.sub("[_ -]", "", name.removeprefix("^"))
        if not known.isascii() or known.lower() not in NAMES:
            raise ValueError(rf"has '\{self.pattern[self.at + 1]}{rest[:end]}', a class that Go does not know")
        self.at += 2 + end

    def _escaped_character(self) -> int:
        """One escaped character, in a class or outside; returns its code point."""
        rest = self.pattern[self.at + 1 :]
        if not rest:
            raise ValueError("ends with a backslash")
        char = rest[0]
        octal = re.match(r"0[0-7]{0,2}|[1-7][0-7]{1,2}", rest)
        code = re.match(r"x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))", rest)
        if octal:
            length, value = octal.end(), int(octal[0], 8)
        elif code and (value := _code_point(code[1] or code[2])) <= 0x10FFFF:
            length = code.end()
        elif char in _CONTROLS:
            length, value = 1, _CONTROLS[char]
        elif char.isascii() and not char.isalnum():
            length, value = 1, ord(char)
        elif char in "123456789":
            raise ValueError(rf"has '\{char}': Go has no backreferences")
        else:
            raise ValueError(rf"has '\{char}', an escape that Go does not know")
        self.at += 1 + length
        return value

    def _class(self) -> None:
        """``[…]``: a ``]`` that comes first is itself."""
        self.at += 1
        if self.pattern.startswith("^", self.at):
            self.at += 1
        first = True
        while first or not self.pattern.startswith("]", self.at):
            first = False
            if self._named_class():
                continue
            low = self._class_character()
            rest = self.pattern[self.at : self.at + 2]
            if len(rest) == 2 and rest[0] == "-" and rest[1] != "]":
                start = self.at - 1
                self.at += 1
                if self._class_character() < low:
                    raise ValueError(f"has the range '{self.pattern[start : self.at]}', which runs backwards")
        self.at += 1

    def _named_class(self) -> bool:
        r"""``[:alpha:]``, ``\pL`` or ``\d`` inside a class; returns whether there was one."""
        posix = _POSIX.match(self.pattern, self.at)
        if posix:
            if not _POSIX_NAMES.fullmatch(posix[1]):
                raise ValueError(f"has '{posix[0]}', a class that Go does not know")
            self.at = posix.end()
            return True
        following = self.pattern[self.at + 1 : self.at + 2]
        if not self.pattern.startswith("\\", self.at) or not following:
            return False
        if following in "pP":
            self._unicode_class()
            return True
        if following in _PERL_CLASSES:
            self.at += 2
            return True
        return False

    def _class_character(self) -> int:
        if self.at >= len(self.pattern):
            raise ValueError("has a '[' without its ']'")
        if self.pattern[self.at] == "\\":
            return self._escaped_character()
        self.at += 1
        return ord(self.pattern[self.at - 1])


def _joined(parts: list[_Node], extra: int) -> _Node:
    """Pieces one after another, or alternatives of which each but the first costs one instruction more."""
    if len(parts) == 1:
        return parts[0]
    return _Node(
        max((part.copies for part in parts), default=1),
        1 + max((part.height for part in parts), default=0),
        max(1, sum(part.size for part in parts) + extra),
    )


def _repeat(node: _Node, char: str, low: int, high: int) -> _Node:
    """A repeated piece. Raises ValueError when nested repetitions make too many copies of a part."""
    if char != "{":
        return _Node(node.copies, node.height + 1, node.size + (2 if char == "*" else 1))
    times = low if high < 0 else high
    copies = times * node.copies if times else (node.copies if high < 0 else 1)
    if copies > _MAX_COPIES and max(low, high) >= 2:
        raise ValueError(f"repeats a part of it more than {_MAX_COPIES} times in all, which Go refuses")
    size = times * node.size + (high - low if high > 0 else 2)
    return _Node(copies, node.height + 1, max(1, size))


def _number(digits: str) -> int:
    return int(digits) if len(digits) < 9 else _MAX_COPIES + 1


def _code_point(digits: str) -> int:
    return int(digits.lstrip("0")[:8] or "0", 16)


def _why_not_a_group(rest: str) -> str:
    for opening, name in (
        ("(?=", "look-ahead"), ("(?!", "look-ahead"), ("(?<=", "look-behind"), ("(?<!", "look-behind"),
        ("(?>", "atomic groups"), ("(?(", "conditions"), ("(?#", "comments"), ("(?P=", "backreferences"),
    ):  # fmt: skip
        if rest.startswith(opening):
            return f"has '{opening}': Go's regular expressions have no {name}"
    return f"has '{rest[:6]}', a group that Go does not know"
