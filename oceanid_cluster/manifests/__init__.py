"""Builders that several components share: labels, security of pods, cloudflared, network policies, rollouts."""
