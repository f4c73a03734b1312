"""The sandbox: a real Kubernetes control plane and the real Pulumi engine on any Linux machine. Never used in production."""
