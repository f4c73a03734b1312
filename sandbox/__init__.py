"""The sandbox: a real control plane and the real Pulumi engine on any Linux machine; never used in production."""
