#!/bin/sh
# Helm's post-renderer for releases: every object says that Flux leaves it alone (labels.py, FLUX_LEAVES_ALONE).
exec kubectl annotate --local --overwrite --filename=- --output=yaml kustomize.toolkit.fluxcd.io/reconcile=disabled
