"""The Triton adapter: its variables and its images."""

import pytest

from oceanid_cluster import versions
from tests.program import Program, environment, pod_of
from tests.samples import EVERYTHING, REQUIRED


@pytest.mark.parametrize("config", [REQUIRED, EVERYTHING], ids=["six keys", "everything"])
def test_the_adapters_images_are_pulled_with_the_pull_secret_whoever_made_it(
    program: Program, config: dict[str, str]
) -> None:
    pod = pod_of(program(config), "ls-triton-adapter-deploy")
    assert pod["imagePullSecrets"] == [{"name": "ghcr-creds"}]


def test_the_adapter_gets_the_variables_that_it_reads(program: Program) -> None:
    variables = environment(program(REQUIRED), "ls-triton-adapter-deploy")
    assert {name: one["value"] for name, one in variables.items() if "value" in one} == {
        "TRITON_BASE_URL": "https://gpu.boathou.se",
        "DEFAULT_MODEL": "distilbert-base-uncased",
        "TRITON_MODEL_NAME": "ner-distilbert",
        "TRAIN_ASYNC": "true",
        "TRAIN_DRY_RUN": "false",
        "TRAINING_JOB_IMAGE": versions.image("training-worker"),
        "TRAINING_JOB_NAMESPACE": "apps",
        "TRAINING_JOB_TTL_SECONDS": "3600",
        "TRAIN_NODE_SELECTOR": "kubernetes.io/hostname=calypso",
        "TRAIN_GPU_RESOURCE": "nvidia.com/gpu",
        "TRAIN_GPU_COUNT": "1",
        "HF_DATASET_REPO": "goldfish-inc/oceanid-annotations",
        "HF_MODEL_REPO": "goldfish-inc/oceanid-ner-distilbert",
        "TRAIN_HF_SECRET_NAME": "hf-credentials",
        "TRAIN_HF_SECRET_KEY": "token",
        "SENTRY_ENVIRONMENT": "dev",
    }
    assert {name for name, one in variables.items() if "value" not in one} == {"NER_LABELS"}
