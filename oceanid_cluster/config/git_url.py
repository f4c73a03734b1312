"""URLs of Git repositories, in the forms in which people copy them and in the two that Flux takes: https and ssh."""

import re
from urllib.parse import SplitResult, urlsplit

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_SCP = re.compile(r"(?:([A-Za-z0-9._-]+)@)?([A-Za-z0-9._-]+):(?!//)(.+)")
_GITHUB = "github.com"
_DEFAULT_PORTS = {"https": 443, "ssh": 22}
_TOKEN_AS_USER = re.compile(r"gh[a-z]_\w+|github_pat_\w+|glpat-.+|.{30,}")


def git_url(value: str) -> str:
    """The URL of a Git repository: https, or ssh as ``ssh://user@host[:port]/path``.

    ``git@host:owner/repository`` becomes ``ssh://git@host/owner/repository``. Flux reads a URL with Go's net/url, and
    takes no other scheme (source-controller, GitRepository ``spec.url``); to its notifications any host that is not
    written ``github.com`` is a GitHub Enterprise (notification-controller, NewGitHub), so a default port and ``www.``
    are left out. Raises ValueError, without any credentials.
    """
    text = re.sub(r"^git\s+clone\s+", "", value.strip())
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if any(ch.isspace() or not ch.isprintable() for ch in text):
        raise ValueError("contains white space")
    scheme, separator, _ = text.partition("://")
    if not separator:
        return _scp(text)
    scheme = scheme.lower()
    if scheme == "http":
        raise ValueError("is http, which would send the token in clear; use https")
    if scheme not in ("https", "ssh"):
        raise ValueError("is not an https or ssh URL; Flux takes no other")
    parts = _split(text)
    name = parts.hostname or ""
    name = _GITHUB if name == f"www.{_GITHUB}" else name
    host = f"[{name}]" if ":" in name else name
    port = f":{parts.port}" if parts.port not in (None, _DEFAULT_PORTS[scheme]) else ""
    path = _path(parts, on_github=name == _GITHUB)
    if scheme == "ssh":
        return f"ssh://{parts.username or 'git'}@{host}{port}/{path}"
    return f"https://{host}{port}/{path}"


def ssh_url(url: str) -> str:
    """A checked URL as ssh, for a repository that is read with a deploy key.

    Raises ValueError for an https URL with a port: it says nothing of the port of SSH.
    """
    parts = urlsplit(url)
    if parts.scheme == "ssh":
        return url
    if parts.port:
        raise ValueError(
            f"has the HTTPS port {parts.port}, which is not that of SSH; write"
            f" ssh://git@{parts.hostname}/{parts.path.strip('/')}, with SSH's port if it is not 22"
        )
    return f"ssh://git@{parts.netloc}{parts.path}"


def ssh_endpoint(url: str) -> tuple[str, int]:
    """Host and port at which the SSH form of a checked URL is asked."""
    parts = urlsplit(ssh_url(url))
    return parts.hostname or "", parts.port or 22


def github_page(url: str) -> str | None:
    """The page of a repository on GitHub or GitHub Enterprise; None anywhere else."""
    parts = urlsplit(url)
    host = _GITHUB if parts.hostname == f"ssh.{_GITHUB}" else parts.hostname or ""
    if not {"github", "ghe"} & set(host.split(".")):
        return None
    port = f":{parts.port}" if parts.scheme == "https" and parts.port else ""
    return f"https://{host}{port}{parts.path.removesuffix('.git')}"


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        raise ValueError("has a host that cannot be read") from None
    if parts.password is not None or _TOKEN_AS_USER.fullmatch(parts.username or ""):
        raise ValueError("contains a password or token; leave it out and set github_token or flux.ssh_private_key")
    try:
        bad_port = parts.port == 0
    except ValueError:
        bad_port = True
    if bad_port:
        _, _, after = parts.netloc.rpartition("@")
        name, _, wrong = after.partition(":")
        if parts.scheme == "ssh" and wrong and not wrong.isdigit():
            raise ValueError(f"has a colon before its path; write ssh://git@{name}/{wrong}{parts.path}")
        raise ValueError("has a port that is not a number from 1 to 65535")
    if not host or not _HOST.fullmatch(host):
        raise ValueError("names no host")
    return parts


def _path(parts: SplitResult, *, on_github: bool) -> str:
    """The repository's path, without slashes at its ends; on GitHub it has two parts. Raises ValueError."""
    if parts.query or parts.fragment:
        what = "query" if parts.query else "fragment"
        raise ValueError(f"has a {what} behind the repository; leave it out (a branch goes into gitRepositoryBranch)")
    segments = [segment for segment in parts.path.split("/") if segment]
    if not segments:
        raise ValueError("names no repository")
    if on_github and len(segments) != 2:
        raise ValueError(
            "is not owner/repository on GitHub; a branch goes into gitRepositoryBranch, a folder into gitRepositoryPath"
        )
    return "/".join(segments)


def _scp(text: str) -> str:
    """``git@host:owner/repository``, as Git and GitHub write SSH."""
    found = _SCP.fullmatch(text)
    if not found:
        host, slash, path = text.partition("/")
        if slash and "." in host and _HOST.fullmatch(host) and path.strip("/"):
            raise ValueError(f"has no scheme; write https://{text}")
        raise ValueError(
            "is not a Git URL such as https://github.com/owner/repository or git@github.com:owner/repository"
        )
    user, host, path = found[1] or "git", found[2], found[3]
    first = path.partition("/")[0]
    if first.isdigit():
        raise ValueError(f"has {first} where the path begins; if it is a port, write ssh://{user}@{host}:{path}")
    return git_url(f"ssh://{user}@{host}/{path.lstrip('/')}")
