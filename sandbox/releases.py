"""What the projects publish; versions are those of the Go modules in ``sandbox/tools``."""

from sandbox.download import Release
from sandbox.golang import pinned


def _kubernetes(name: str) -> Release:
    """A program of Kubernetes. Source: "Download Kubernetes" in its documentation."""
    url = f"{{kubernetes}}/v{{version}}/bin/{{os}}/{{arch}}/{name}"
    return Release(pinned("tools", "k8s.io/kubernetes"), url, f"{url}.sha256", ((name, ""),))


APISERVER = _kubernetes("kube-apiserver")
CONTROLLERS = _kubernetes("kube-controller-manager")
SCHEDULER = _kubernetes("kube-scheduler")
ETCD = Release(
    pinned("tools", "go.etcd.io/etcd/server/v3"),
    "{github}/etcd-io/etcd/releases/download/v{version}/etcd-v{version}-{os}-{arch}.tar.gz",
    "{github}/etcd-io/etcd/releases/download/v{version}/SHA256SUMS",
    (("etcd", "etcd-v{version}-{os}-{arch}/etcd"),),
)
HELM = Release(
    pinned("tools", "helm.sh/helm/v3"),
    "{helm}/helm-v{version}-{os}-{arch}.tar.gz",
    "{helm}/helm-v{version}-{os}-{arch}.tar.gz.sha256sum",
    (("helm", "{os}-{arch}/helm"),),
)
# KWOK publishes no checksums (hack/releases.sh); GitHub computes one of every file of a release.
KWOK = Release(
    pinned("tools", "sigs.k8s.io/kwok"),
    "{github}/kubernetes-sigs/kwok/releases/download/v{version}/kwok-{os}-{arch}",
    "{github_api}/repos/kubernetes-sigs/kwok/releases/tags/v{version}",
    (("kwok", ""),),
)
# The engine and its language host; the engine last, for it says that the release is complete.
PULUMI = Release(
    pinned("tools", "github.com/pulumi/pulumi/pkg/v3"),
    "{pulumi}/pulumi-v{version}-{os}-{x64}.tar.gz",
    "{pulumi}/pulumi-{version}-checksums.txt",
    tuple((name, f"pulumi/{name}") for name in ("pulumi-language-python-exec", "pulumi-language-python", "pulumi")),
)
BY_PROGRAM = {
    name: release
    for release in (APISERVER, CONTROLLERS, SCHEDULER, ETCD, HELM, KWOK, PULUMI)
    for name, _ in release.programs
}
