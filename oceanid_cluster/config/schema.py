"""How a configuration key is declared, and how a table of keys is read: every problem in one go, no secret shown."""

import dataclasses
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from itertools import takewhile
from pathlib import Path
from textwrap import indent
from typing import Any, ParamSpec, cast

from oceanid_cluster.config.entries import is_utf8
from oceanid_cluster.config.secret import Secret, looks_random

P = ParamSpec("P")

PROJECT = "oceanid-cluster"  # the namespace of its keys
_LOGIN, _LONG = re.compile(r"://[^/\s]*@"), re.compile(r"[\w+/=-]{16,}")  # in a URL; what may be a token
# What the engine makes of a date without quotes in the stack file: a time of Go, printed (go.yaml.in/yaml, resolve.go).
_DATE = re.compile(r'(?:^|")(\d{4}-\d\d-\d\d) \d\d:\d\d:\d\d(\.\d+)? [+-]\d{4} [\w+-]+(?:$|")')


@dataclass(frozen=True)
class Key:
    """One configuration key: one entry of Pulumi.example.yaml.

    ``parse`` turns the text of the stack file into the typed value and raises ValueError with what is wrong. It shows
    what is of the text in single quotes, and nothing else in such: these are hidden where the text may be a secret.
    ``default`` is written as an operator would write it; names in braces are filled in (see Reader). A ``required`` key
    must be there while its component is on. ``value`` is what the command that sets the key calls its value, ``stdin``
    where a value of several lines comes from, as a shell writes it: ``< file``.
    """

    name: str
    parse: Callable[[str], object]
    doc: str
    _: KW_ONLY
    default: str | None = None
    secret: bool = False
    required: bool = False
    old: tuple[str, ...] = ()
    value: str = "value"
    shown_default: str | None = None
    stdin: str | None = None

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every accepted spelling: as documented, snake_case, camelCase, then the old names."""
        names = [self.name, *self.old]
        return tuple(dict.fromkeys(form for name in names for form in (name, snake_case(name), camel_case(name))))

    @property
    def fix(self) -> str:
        """The command that sets this key. A secret is never an argument: Pulumi asks for it, or reads a file."""
        if not self.secret:
            return f"pulumi config set {self.name} {self.stdin or f'<{self.value}>'}"
        return f"pulumi config set --secret {self.name}" + (
            f" {self.stdin}" if self.stdin else f"   # asks for the {self.value}"
        )

    def read(self, text: str) -> object:
        """The typed value of a text; the text of a secret key becomes a Secret. Raises ValueError."""
        if date := _DATE.search(text):
            raise ValueError(f"has '{date[1]}' without quotes in the stack file, and Pulumi reads a time: quote it")
        if odd := next((one for one in text if unicodedata.category(one) in ("Cf", "Cs")), None):
            raise ValueError(f"has a character that nobody sees, or half of one (U+{ord(odd):04X}): write it again")
        value = self.parse(text)
        return Secret(value) if self.secret and isinstance(value, str) else value


def _field(make: Callable[P, Key]) -> Callable[P, Any]:
    def declare(*args: P.args, **options: P.kwargs) -> Any:
        return dataclasses.field(metadata={"key": make(*args, **options)})

    return declare


key = _field(Key)  # declares a field of a dataclass as a configuration key


def keys_of(section: type) -> dict[str, Key]:
    """The keys that a dataclass declares, by field name."""
    return {f.name: f.metadata["key"] for f in dataclasses.fields(section) if "key" in f.metadata}


def snake_case(name: str) -> str:
    """``camelCase`` to ``snake_case``, segment by segment of a dotted name."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda m: "_" + m[1].lower(), name)


def camel_case(name: str) -> str:
    """``snake_case`` to ``camelCase``, segment by segment of a dotted name."""
    return re.sub(r"(?<=[a-zA-Z0-9])_([a-z0-9])", lambda m: m[1].upper(), name)


@dataclass(frozen=True)
class Problem:
    """What is wrong with a key (its documented name), as a sentence that names it, and the command that fixes it."""

    key: str
    text: str
    fix: str
    missing: bool = False


class ConfigErrors:
    """Collects what is wrong with a configuration."""

    def __init__(self) -> None:
        """Start with nothing wrong."""
        self._problems = dict[Problem, None]()  # each once, in their order

    def add(self, key: str, text: str, fix: str, *, spelling: str | None = None) -> None:
        """Note one problem; ``text`` goes on after the name of the key, as it is spelt."""
        self._problems[Problem(key, f"'{spelling or key}' {text}", fix)] = None

    def add_missing(self, row: Key, why: str = "") -> None:
        """Note that a key is missing; ``why`` says what needs it."""
        because = f" ({why})" if why else ""
        problem = Problem(row.name, f"'{row.name}' is missing: {row.doc}{because}", row.fix, missing=True)
        self._problems[problem] = None

    def about(self, *names: str) -> bool:
        """Whether one of these keys has a problem of its own already: what follows from it need not be said."""
        return any(problem.key in names for problem in self._problems)

    def missing_keys(self) -> set[str]:
        """The keys that are missing."""
        return {problem.key for problem in self._problems if problem.missing}

    def __bool__(self) -> bool:
        return bool(self._problems)

    def message(self, stack: str, folder: Path, warnings: Iterable[str]) -> str:
        """All problems, and then the warnings, as one text for the operator; ``folder`` has the stack's file."""
        count = f"{len(self._problems)} problem{'s' if len(self._problems) > 1 else ''}"
        head = f"the configuration of stack '{stack}' ({folder.absolute() / f'Pulumi.{stack}.yaml'}) has {count}:"
        lines = [f"  - {problem.text}\n{indent(problem.fix, ' ' * 6)}" for problem in self._problems]
        return "\n".join([head, *lines, *(f"  warning: {warning}" for warning in warnings)])


class Reader:
    """Reads keys out of the configuration of one namespace.

    ``values`` maps each key, without its namespace, to its text as the engine hands it over (objects as JSON);
    ``stored_secret`` names those that the stack file holds encrypted. ``fill`` maps the names usable in defaults
    (``base``, ``stack``, ``cloudflared_image``) to their values.
    """

    def __init__(
        self, values: Mapping[str, str], stored_secret: frozenset[str], problems: ConfigErrors, fill: dict[str, str]
    ) -> None:
        """Take the values as they are; nothing is checked before ``read``."""
        self._values, self._stored = _flattened(values), values.keys()
        self._stored_secret = stored_secret
        self._secret_texts: set[str] = set()
        self._problems = problems
        self.ignored: list[str] = []
        self.fill = fill

    def know_secrets(self, rows: Iterable[Key]) -> None:
        """Note the values of the secret keys among ``rows``: no message shows them, whatever key they are in."""
        names = {name for row in rows if row.secret for name in row.spellings}
        self._secret_texts = {text for name, text in self._values.items() if name in names}

    def read(self, row: Key, *, used: bool = True, flag: str | None = None) -> Any:
        """The typed value of one key, or None when it is absent or wrong (and then noted as a problem).

        ``flag`` is the key that turns its component on. A wrong value of a component that is turned off (not
        ``used``) is treated as absent, and noted in ``ignored``.
        """
        given = self.given(row)
        if used and len(set(given.values())) > 1:
            first, *others = given
            twins = "".join(f"and '{other}' " for other in others)
            text = f"{twins}name the same setting with different values"
            self._problems.add(row.name, text, self._removal(others[-1]), spelling=first)
            return None
        name, text = next(iter(given.items()), (row.name, None))
        if text is None:
            if row.default is None:
                if row.required and used:
                    self._problems.add_missing(row, f"needed while {flag} is true" if flag else "")
                return None
            text = row.default.format(**self.fill)
        try:
            return row.read(text)
        except ValueError as problem:
            hide = row.secret or self._is_stored_secret(name) or self._holds_a_secret(text)
            # An apostrophe inside a word is not a quote.
            reason = re.sub(r"(?<!\w)'.*'(?!\w)", "[secret]", str(problem), flags=re.DOTALL) if hide else str(problem)
            if used:
                fix = row.fix if row.required or not given else f"{row.fix}\nor: {self._removal(name)}"
                self._problems.add(row.name, reason, fix, spelling=name)
                return None
            self.ignored.append(f"'{name}' {reason}; ignored, since its component is turned off")
            return None if row.default is None else row.read(row.default.format(**self.fill))

    def given(self, row: Key) -> dict[str, str]:
        """The key's text by each spelling that the configuration has, be it right or wrong."""
        return {name: self._values[name] for name in row.spellings if self._values.get(name, "").strip()}

    def _removal(self, name: str) -> str:
        """The command that removes a key, or a field of an object."""
        return f"pulumi config rm {'' if name in self._stored else '--path '}{name}"

    def in_clear(self, row: Key) -> bool:
        """Whether a secret key is stored without encryption."""
        names = self.given(row) if row.secret else ()
        return not all(map(self._is_stored_secret, names))

    def _is_stored_secret(self, name: str) -> bool:
        """Whether the stack's file holds a key, or the object that it is a field of, encrypted."""
        return not {name, name.partition(".")[0]}.isdisjoint(self._stored_secret)

    def _holds_a_secret(self, text: str) -> bool:
        """Whether a secret was pasted into the wrong key: one of this stack's, or what nothing else looks like."""
        known = any(secret in text for secret in self._secret_texts if len(secret) > 7)
        return known or _LOGIN.search(text) is not None or any(map(looks_random, _LONG.findall(text)))

    def unknown(self, rows: Iterable[Key]) -> list[str]:
        """One warning for each key that nothing reads but that is one edit away from one that is read."""
        known = {name for row in rows for name in row.spellings}
        warnings: list[str] = []
        for name in sorted(filter(is_utf8, self._values.keys() - known)):
            meant = next((other for other in sorted(known) if one_edit_apart(name, other)), None)
            if meant:
                warnings.append(f"config key '{name}' is not read by this program; did you mean '{meant}'?")
        return warnings


def one_edit_apart(left: str, right: str) -> bool:
    """Whether two names differ by one letter inserted, deleted, replaced, put in another case, or swapped."""
    left, right = left.lower(), right.lower()
    same = len([*takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False))])
    left, right = left[same:], right[same:]
    swapped = left[:2] == right[:2][::-1] and left[2:] == right[2:]
    return swapped or left[1:] in (right, right[1:]) or left == right[1:]


def _flattened(values: Mapping[str, str]) -> dict[str, str]:
    """Add ``a.b`` for every object ``a`` with a field ``b``: ``pulumi config set --path a.b`` stores it so."""
    flat: dict[str, str] = {}

    def add(name: str, text: str) -> None:
        flat[name] = text
        try:
            value: object = json.loads(text) if text.lstrip().startswith("{") else None
        except (ValueError, RecursionError):
            return
        if isinstance(value, dict):
            for field, inner in cast("dict[str, object]", value).items():
                add(f"{name}.{field}", inner if isinstance(inner, str) else json.dumps(inner))

    for name, text in values.items():
        add(name, text)
    return flat
