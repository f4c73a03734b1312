"""Bootstraps the Oceanid K3s cluster up to the point where Git drives it."""

from pathlib import Path

# Where `python -m oceanid_cluster.health` and the other former names of commands are found, for one more release.
__path__.append(str(Path(__file__).with_name("former_names")))
