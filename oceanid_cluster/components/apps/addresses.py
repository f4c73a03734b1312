"""The namespace of the applications, and where each of them answers."""

from oceanid_cluster.manifests.network import ServiceAddress

NAMESPACE = "apps"
LABEL_STUDIO = ServiceAddress(NAMESPACE, "label-studio", 8080, {"app": "label-studio"})
ADAPTER = ServiceAddress(NAMESPACE, "ls-triton-adapter", 9090, {"app": "ls-triton-adapter"})
