"""Bootstraps the Oceanid K3s cluster up to the point where Git drives it."""
