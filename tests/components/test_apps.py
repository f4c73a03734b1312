"""The namespace that Label Studio and the adapter share."""

import pytest

from tests.program import Program
from tests.samples import REQUIRED


@pytest.mark.parametrize("flag", ["enableLabelStudio", "enableTritonAdapter"])
def test_the_namespace_of_the_applications_is_one_resource_whoever_makes_it(program: Program, flag: str) -> None:
    run = program({**REQUIRED, flag: "false"})
    request = run.requests["label-studio-ns"]
    assert request.retainOnDelete
    assert {spec.spec.parentUrn.rpartition("::")[2] for spec in request.aliases} == (
        {"label-studio"} if flag == "enableLabelStudio" else {"ls-triton-adapter"}
    )
