"""Providers of the sandbox: the proxy in front of an older Kubernetes provider, and a fake of ``random``."""
