"""References of images, as the kubelet reads them."""

import re

from oceanid_cluster.config.parsers import matching

# What the kubelet reads with (pkg/util/parsers/parsers.go): distribution/reference, referencePat of regexp.go,
# splitDockerDomain of normalize.go, RepositoryNameTotalLengthMax; and go-digest, algorithm.go.
_HOST_PART = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = rf"(?=[^/]*[.:A-Z]|localhost/)(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_REPOSITORY_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}"
_IMAGE = re.compile(
    rf"(?:{_REGISTRY}/)?(?=[^:@]{{1,255}}(?:[:@]|$)){_REPOSITORY_PART}(?:/{_REPOSITORY_PART})*"
    rf"(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)
image_tag = matching(_TAG, "an image tag")
# RELEASE_NOTES of cloudflared: "Adds a new command line for tunnel run for token file" is in >=2025.4.0.
CLOUDFLARED_TOKEN_FILE = (2025, 4)


def image(value: str) -> str:
    """An image reference that is pinned: by tag (not ``latest``) or by digest."""
    parts = _image_parts(value)
    if not parts["digest"] and parts["tag"] in (None, "latest"):
        raise ValueError("is not pinned: give a tag other than latest, or a digest")
    return value.strip()


def cloudflared_image(value: str) -> str:
    """A pinned image of cloudflared, new enough to read its token from a file."""
    reference = image(value)
    tag = _image_parts(reference)["tag"] or ""
    release = re.match(r"v?(20[0-9]{2})(?:\.([0-9]{1,2}))?(?![0-9])", tag)
    if release and (int(release[1]), int(release[2] or 12)) < CLOUDFLARED_TOKEN_FILE:
        raise ValueError(f"is cloudflared '{tag}', which cannot read its token from a file; take >=2025.4.0")
    return reference


def image_repository(value: str) -> str:
    """An image reference, with or without a tag."""
    _image_parts(value)
    return value.strip()


def has_tag(reference: str) -> bool:
    """Whether an image reference carries a tag or a digest."""
    parts = _image_parts(reference)
    return bool(parts["tag"] or parts["digest"])


def _image_parts(value: str) -> dict[str, str | None]:
    """``tag`` and ``digest`` of an image reference. Raises ValueError."""
    found = _IMAGE.fullmatch(value.strip())
    if not found or re.fullmatch("[a-f0-9]{64}", found[0]):  # which would be the id of an image
        raise ValueError("is not an image reference such as ghcr.io/owner/name:tag")
    return found.groupdict()
