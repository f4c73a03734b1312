"""Builders that several components share: objects, labels, pods, cloudflared, network policies, rollouts."""
