"""The versions that the program installs, read from ``versions.yaml``."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Chart:
    """A Helm chart: its name (or OCI reference), its repository (None for OCI) and its version."""

    chart: str
    repository: str | None
    version: str


@cache
def _document() -> dict[str, Any]:
    return yaml.safe_load(Path(__file__).with_name("versions.yaml").read_text(encoding="utf-8"))


def chart(name: str) -> Chart:
    """The pinned chart ``name``. Raises KeyError for a chart that is not in the file."""
    entry = _document()["charts"][name]
    return Chart(entry["chart"], entry.get("repository"), str(entry["version"]))


def charts() -> list[str]:
    """The names of all pinned charts."""
    return [*_document()["charts"]]


def flux_api(group: str) -> str:
    """The API version of a Flux group (source, kustomize, image, notification) that the pinned chart serves."""
    return str(_document()["charts"]["flux2"]["apiVersions"][group])


def former_api(api_version: str) -> str | None:
    """The API version under which an older stack's state holds objects of ``api_version``, if there is one."""
    flux = _document()["charts"]["flux2"]
    groups = {current: group for group, current in flux["apiVersions"].items()}
    return flux["formerApiVersions"].get(groups.get(api_version))


def minimum_kubernetes() -> str:
    """The oldest Kubernetes minor version ("1.33") on which the pinned Flux runs."""
    return str(_document()["charts"]["flux2"]["minimumKubernetes"])


def image(name: str) -> str:
    """The pinned image ``name`` with its tag. Raises KeyError for an image that is not in the file."""
    return str(_document()["images"][name])


def images() -> list[str]:
    """The names of all pinned images."""
    return [*_document()["images"]]
