"""The versions that the program installs, read from ``versions.yaml``."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Chart:
    """A Helm chart: a name in its repository, an OCI reference or a local path, and its version."""

    chart: str
    repository: str | None
    version: str

    @property
    def repository_opts(self) -> Any:
        """The repository as Pulumi takes it; None for a chart that is not named within one."""
        return {"repo": self.repository} if self.repository and "/" not in self.chart else None

    @property
    def chosen_version(self) -> str | None:
        """The version; None for a local path, which has one and no other."""
        return self.version if self.repository_opts or self.chart.startswith("oci://") else None


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
