"""URLs of Git repositories, in the forms in which people copy them and in the two that Flux takes: https and ssh."""

import re
from urllib.parse import SplitResult, urlsplit

from oceanid_cluster.config.parsers import is_host, unwrapped

# As Git and GitHub write SSH. A path that begins with a number would be one with a port.
_SCP = re.compile(r"(?:([A-Za-z0-9._-]+)@)?([A-Za-z0-9._-]+):(?![0-9]+/)(.+)")
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
    text = unwrapped(re.sub(r"^git\s+clone\s+", "", unwrapped(value)))
    if "://" not in text and (found := _SCP.fullmatch(text)):
        text = f"ssh://{found[1] or 'git'}@{found[2]}/{found[3].lstrip('/')}"
    parts = _split(text)
    name = parts.hostname or ""
    name = _GITHUB if name == f"www.{_GITHUB}" else name
    host = f"[{name}]" if ":" in name else name
    port = f":{parts.port}" if parts.port not in (None, _DEFAULT_PORTS[parts.scheme]) else ""
    path = _path(parts, on_github=name == _GITHUB)
    if parts.scheme == "ssh":
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
    """Scheme, user, host, port and path of a URL that Flux can read. Raises ValueError."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("has a host or port that cannot be read (in ssh://, a slash comes before the path)") from None
    if parts.password is not None or _TOKEN_AS_USER.fullmatch(parts.username or ""):
        raise ValueError("contains a password or token; leave it out and set github_token or flux.ssh_private_key")
    if parts.scheme == "http":
        raise ValueError("is http, which would send the token in clear; use https")
    known = parts.scheme in _DEFAULT_PORTS and is_host(host) and not host.endswith(".") and port != 0
    if not known or " " in text or not text.isprintable():
        raise ValueError(
            "is not a Git URL such as https://github.com/owner/repository, ssh://git@host:port/path or git@host:path"
        )
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
