"""Git URLs: every form that people copy becomes one that Flux can parse, or is refused with the right form."""

import pytest

from oceanid_cluster.components.flux.component import git_repository
from oceanid_cluster.config.git_url import git_url, github_page
from tests.samples import KNOWN_HOSTS, refused, settings, ssh_key

KEYS = {"flux.ssh_private_key": ssh_key(), "flux.known_hosts": KNOWN_HOSTS}
# Not GitHub's, but the same key: what is looked at is the host.
OTHER_HOSTS = KNOWN_HOSTS.replace("github.com", "git.example.org,[git.example.org]:2222")


def test_what_people_copy_becomes_what_flux_parses() -> None:
    for text, url in (
        ("https://github.com/o/r", "https://github.com/o/r"),
        ("https://github.com/o/r.git/", "https://github.com/o/r.git"),
        ("HTTPS://www.GitHub.com:443//o/r//", "https://github.com/o/r"),
        ("https://someone@bitbucket.org/o/r.git", "https://bitbucket.org/o/r.git"),
        ("https://git.example.org:8443/o/r", "https://git.example.org:8443/o/r"),
        ("https://gitlab.com/group/subgroup/tree/r", "https://gitlab.com/group/subgroup/tree/r"),
        ("https://www.github.company.example/o/r", "https://www.github.company.example/o/r"),
        ("https://dev.azure.com/o/p/_git/r", "https://dev.azure.com/o/p/_git/r"),
        ("ssh://git@www.github.com:22/o/r", "ssh://git@github.com/o/r"),
        ("ssh://git@ssh.github.com:443/o/r", "ssh://git@ssh.github.com:443/o/r"),
        ("git clone git@github.com:o/r.git", "ssh://git@github.com/o/r.git"),
        ("'git clone \"git@github.com:o/r.git\"'", "ssh://git@github.com/o/r.git"),
        ('"repository=https://github.com/o/r"', "https://github.com/o/r"),
        ("github.com:o/r.git", "ssh://git@github.com/o/r.git"),
        ("ssh://github.com/o/r", "ssh://git@github.com/o/r"),
        ("ssh://gitea@[2001:db8::1]:2222/o/r", "ssh://gitea@[2001:db8::1]:2222/o/r"),
    ):
        assert git_url(text) == git_url(f" {text}\n") == git_url(f"'{url}'") == url


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ssh://git@github.com:o/r.git", "a slash comes before the path"),
        ("git@git.example.org:2222/o/r", "is not a Git URL such as"),
        ("github.com/o/r", "is not a Git URL such as https://github.com/owner/repository"),
        ("http://github.com/o/r", "would send the token in clear"),
        ("git://github.com/o/r", "is not a Git URL such as"),
        ("https://github.com/o/r/tree/main/clusters", "is not owner/repository on GitHub"),
        ("https://github.com/o/r?ref=main", "has a query behind the repository"),
        ("https://github.com/", "names no repository"),
        ("https://git.example.org:0/o/r", "is not a Git URL such as"),
        ("https://git..example.org/o/r", "is not a Git URL such as"),
        ("https://256.1.1.1/o/r", "is not a Git URL such as"),
        ("https://git.example.org:99999/o/r", "has a host or port that cannot be read"),
        ("https://github.com/o/r r", "is not a Git URL such as"),
        ("https://u:canary@github.com/o/r", "contains a password or token"),
        ("https://ghp_canary@github.com/o/r", "contains a password or token"),
        ("git@github.com:o/r\u200b", "is not a Git URL such as"),
    ],
)
def test_what_flux_cannot_parse_is_refused_with_the_right_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        git_url(text)
    assert reason in str(caught.value)
    assert "canary" not in str(caught.value)


def test_with_keys_an_https_url_is_read_over_ssh() -> None:
    def read_from(changes: dict[str, str]) -> str:
        return git_repository(settings(changes).flux)["spec"]["url"]

    for text in ("https://github.com/o/r", "git@github.com:o/r", "https://github.com:443/o/r"):
        assert read_from({**KEYS, "gitRepositoryUrl": text}) == "ssh://git@github.com/o/r"
    assert read_from({"gitRepositoryUrl": "https://github.com/o/r"}) == "https://github.com/o/r"


def test_a_port_of_https_never_ends_in_an_ssh_url() -> None:
    said = refused({**KEYS, "gitRepositoryUrl": "https://github.com:8443/o/r"})
    assert (
        "'gitRepositoryUrl' has the HTTPS port 8443, which is not that of SSH; write ssh://git@github.com/o/r" in said
    )


def test_an_ssh_url_without_a_key_says_so() -> None:
    for text in ("git@github.com:o/r", "ssh://git@github.com/o/r"):
        assert "'gitRepositoryUrl' is ssh, but there is no deploy key" in refused({"gitRepositoryUrl": text})


def test_known_hosts_are_looked_up_by_host_and_port() -> None:
    for url in ("git@git.example.org:o/r", "ssh://git@git.example.org:2222/o/r"):
        assert settings({**KEYS, "flux.known_hosts": OTHER_HOSTS, "gitRepositoryUrl": url})
    for url, hosts, named in (
        ("git@github.com:o/r", OTHER_HOSTS, "github.com"),
        ("ssh://git@git.example.org:22022/o/r", OTHER_HOSTS, "git.example.org at port 22022"),
    ):
        said = refused({**KEYS, "flux.known_hosts": hosts, "gitRepositoryUrl": url})
        assert f"'flux.known_hosts' has no line for {named}" in said
        assert "ssh-keyscan " in said
        assert "| pulumi config set --secret flux.known_hosts" in said


def test_only_a_repository_on_github_has_commit_statuses_there() -> None:
    for url in ("https://www.github.com:443/o/r", "git@github.com:o/r", "ssh://git@ssh.github.com:443/o/r.git"):
        assert github_page(git_url(url)) == "https://github.com/o/r"
    for url, page in (
        ("https://github.example.org:8443/o/r", "https://github.example.org:8443/o/r"),
        ("https://gitlab.com/o/r", None),
        ("https://git.example.org/github/r", None),
    ):
        assert github_page(git_url(url)) == page
