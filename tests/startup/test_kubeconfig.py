"""The program and kubectl agree on every kubeconfig: accepted or not, and with which cluster and user.

The judge is ``kubectl config view --minify --flatten --raw``, asked twice: about the files as they lie there, and, from
another folder, about what the program hands to the provider.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup.kubeconfig import Kubeconfig, load_kubeconfig
from tests import fuzz

pytestmark = pytest.mark.slow

EXAMPLES = 2000 if "SOAK" in os.environ else 60
# kubectl lives for a few milliseconds: collecting garbage is most of what it does.
QUICK = {"GOGC": "off"}
VIEW = ("kubectl", "config", "view", "--minify", "--flatten", "--raw", "-o", "json")
SERVERS = (
    "https://127.0.0.1:6443",
    "127.0.0.1:6443",
    "http://localhost",
    "https://[::1]/k8s/clusters/a",
    "HTTPS://API:1",
    "https://127.0.0.2:1/k8s/clusters/a?canary-0f3a7c=b#c",
)
NO_SERVERS = (
    "",
    "https://admin:canary-0f3a7c@127.0.0.1",
    "https://canary-0f3a7c@127.0.0.1",
    "127.0.0.1/k8s/clusters/a",
    "https://127.0.0.1\\@192.0.2.10",
    "https://",
    "ftp://127.0.0.1",
    "https://127.0.0.1:99999",
    "not a url",
)
NAMES = ("a", "b", "with space", "user@cluster", "ü")


@dataclass(frozen=True)
class Case:
    """Files by name (None: it does not exist), the order in which KUBECONFIG names them, and the chosen context."""

    files: Mapping[Any, bytes | None]
    order: tuple[str, ...]
    context: str | None


clusters = st.fixed_dictionaries(
    {"server": st.sampled_from(SERVERS * 3 + NO_SERVERS)},
    optional={
        "certificate-authority": st.sampled_from(("ca.crt", "./ca.crt", "absent.crt")),
        "certificate-authority-data": st.sampled_from(("Y2VydA==", "@@@", "")),
        "insecure-skip-tls-verify": st.booleans(),
        "tls-server-name": st.just("k3s"),
        "proxy-url": st.just("http://127.0.0.1:3128"),
        "unknown": st.just("field"),
        "extensions": st.just([{"name": "x", "extension": {"a": 1}}]),
    },
)
users = st.fixed_dictionaries(
    {},
    optional={
        "token": st.just("canary-0f3a7c"),
        "tokenFile": st.sampled_from(("token", "absent")),
        "client-certificate": st.sampled_from(("client.crt", "absent.crt")),
        "client-certificate-data": st.just("Y2xpZW50"),
        "client-key": st.sampled_from(("client.crt", "sub/client.crt")),
        "client-key-data": st.sampled_from(("a2V5", "@@@")),
        "username": st.just("somebody"),
        "password": st.just("canary-0f3a7c-password"),
        "exec": st.just({"apiVersion": "client.authentication.k8s.io/v1", "command": "./login", "args": ["a"]}),
        "as": st.just("admin"),
        "as-uid": st.just("1"),
        "as-groups": st.just(["a", "b"]),
        "as-user-extra": st.just({"scopes": ["a"]}),
        "extensions": st.just([{"name": "x", "extension": {"a": 1}}]),
        "auth-provider": st.just({"name": "oidc", "config": {"a": "b"}}),
    },
)
contexts = st.fixed_dictionaries(
    {},
    optional={
        "cluster": st.sampled_from(NAMES[:2]),
        "user": st.sampled_from((*NAMES[:2], "")),
        "namespace": st.just("apps"),
        "extensions": st.just([{"name": "x", "extension": {"a": 1}}]),
    },
)


def named(kind: str, body: st.SearchStrategy[Any], names: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """One section of a kubeconfig: entries that may share a name, or none at all."""
    entry = st.fixed_dictionaries({"name": st.sampled_from(names), kind: body | st.none()})
    return st.lists(entry, max_size=3) | st.none()


documents = st.fixed_dictionaries(
    {
        "clusters": named("cluster", clusters, NAMES[:2]),
        "users": named("user", users, NAMES[:2]),
        "contexts": named("context", contexts, NAMES),
        "current-context": st.sampled_from(("a", "a", "b", "", "absent")),
    },
    optional={"apiVersion": st.sampled_from(("v1", "v2")), "kind": st.sampled_from(("Config", "Pod"))},
)
whole = st.builds(
    lambda cluster, user, extra, who: {
        "apiVersion": "v1", "kind": "Config", "current-context": "a", **extra,
        "clusters": [{"name": "a", "cluster": cluster}], "users": [{"name": "a", "user": user}],
        "contexts": [{"name": "a", "context": {"cluster": "a", **who}}],
    },
    clusters, users, st.just({}) | st.just({"preferences": {"colors": True}}),
    st.sampled_from(({"user": "a"}, {"user": "a"}, {"user": "a"}, {"user": ""}, {})),
)  # fmt: skip
texts = st.one_of(
    whole.map(yaml.safe_dump),
    whole.map(json.dumps),
    documents.map(yaml.safe_dump),
    fuzz.kubeconfigs().map(yaml.safe_dump),
    st.sampled_from(
        ("", "{}", "null", "clusters: null\n", "current-context: b\n", "a: [", "just text", "\ta: 1", "[]", "5")
    ),
).map(str.encode)
contents = texts | texts | st.sampled_from((b"\xff\xfe", b"\0", None))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """One to three files, in any order, some of them twice."""
    names: st.SearchStrategy[str] = st.sampled_from(("one", "two", "sub/three", "sub/clusters of ü"))
    files = draw(st.dictionaries(names, contents, min_size=1, max_size=3))
    order = draw(st.lists(st.sampled_from(sorted(files)), min_size=1, max_size=3))
    return Case(files, tuple(order), draw(st.none() | st.none() | st.sampled_from(NAMES)))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kubeconfig-") as name:
        for part in ("", "sub"):
            (Path(name) / part).mkdir(exist_ok=True)
            for file in ("ca.crt", "client.crt", "token"):
                (Path(name) / part / file).write_text(f"{file} of {part or 'the folder'}\n", encoding="utf-8")
        yield Path(name)


def view(kubeconfig: str, context: str | None, folder: Path) -> dict[str, Any] | None:
    """What kubectl makes of it from a folder; None if it refuses."""
    chosen = ["--context", context] if context else []
    environ = {**os.environ, **QUICK, "KUBECONFIG": kubeconfig}
    answer = subprocess.run([*VIEW, *chosen], env=environ, cwd=folder, capture_output=True, text=True, check=False)
    return json.loads(answer.stdout) if answer.returncode == 0 else None


@cache
def handed_over(contents: str, folder: Path) -> dict[str, Any] | None:
    """What kubectl makes of what the provider is given."""
    (folder / "handed-over").write_text(contents, encoding="utf-8")
    return view(str(folder / "handed-over"), None, Path("/"))


def read(kubeconfig: str, context: str | None) -> tuple[Kubeconfig | None, str]:
    """What the program makes of it, or None and its refusal."""
    try:
        return load_kubeconfig(None, {**QUICK, "KUBECONFIG": kubeconfig}, context, None), ""
    except StartUpError as problem:
        return None, str(problem)


def named_so(content: bytes | None) -> bool:
    """Whether a file has the canary for a name: messages show names, as kubectl does."""
    try:
        places = [yaml.safe_load(content or b"")]
    except (yaml.YAMLError, UnicodeDecodeError):
        return False
    for place in places:
        if isinstance(place, dict):
            for key, value in cast("dict[object, object]", place).items():
                if key in ("name", "current-context", "cluster", "user") and value == fuzz.CANARY:
                    return True
                places.append(value)
        elif isinstance(place, list):
            places.extend(cast("list[object]", place))
    return False


def _without_paths(entries: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Without what ``config view`` leaves as it is, and client-go does not (test_kubeconfig_relative.py)."""
    bodies = [{**entry, "user": {**entry["user"]}} if "user" in entry else entry for entry in entries or ()]
    for user in (body["user"] for body in bodies if "user" in body):
        user.pop("tokenFile", None)
        user["exec"] = {**(user.get("exec") or {}), "command": None}
    return bodies


def usable(seen: dict[str, Any]) -> bool:
    """Whether what kubectl accepts has a server, for which ``config view`` does not ask. Nobody has to be its user."""
    return bool(seen.get("clusters")) and seen["clusters"][0]["cluster"].get("server") in SERVERS


@settings(max_examples=EXAMPLES)
@example(
    Case({"one": b"current-context: b\n", "two": yaml.safe_dump(fuzz.KUBECONFIG).encode()}, ("one", "two"), "prod")
)
@example(Case({"one": None, "two": yaml.safe_dump(fuzz.KUBECONFIG).encode()}, ("one", "two"), None))
@example(Case({"one": b"current-context: " + fuzz.CANARY.encode()}, ("one",), None))
@example(Case({"one": b"", "two": yaml.safe_dump(fuzz.KUBECONFIG).encode()}, ("two", "one"), None))
@given(cases())
def test_the_program_and_kubectl_agree(folder: Path, case: Case) -> None:
    for name, content in case.files.items():
        path = folder / name
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
    joined = os.pathsep.join(str(folder / name) for name in case.order)
    with ThreadPoolExecutor(2) as pool:
        judge = pool.submit(view, joined, case.context, Path("/"))
        found, said = pool.submit(read, joined, case.context).result()
    expected = judge.result()
    assert fuzz.CANARY not in said or any(map(named_so, case.files.values()))
    if expected is None:
        assert found is None, "the program accepts what kubectl refuses"
        return
    server = (expected.get("clusters") or [{"cluster": {}}])[0]["cluster"].get("server")
    if server in SERVERS + NO_SERVERS:
        assert (found is not None) == usable(expected), f"the program refuses what kubectl accepts, or not: {said}"
    if found:
        handed = handed_over(found.contents.value, folder)
        assert handed
        for section in ("clusters", "users", "contexts"):
            assert _without_paths(handed[section]) == _without_paths(expected[section])
        assert found.context == expected["current-context"]
        assert fuzz.CANARY not in found.server
