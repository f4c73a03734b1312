"""A certificate that is refused is named with its own reason, from what kubectl itself says about a real server."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup.identity import read_identity
from oceanid_cluster.startup.kubeconfig import load_kubeconfig
from oceanid_cluster.startup.kubectl import Kubectl
from tests.samples import settings
from tests.startup.api_server import serving

PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "start", "end", "said", "cure"),
    [
        ("127.0.0.1", PAST, datetime(2021, 1, 1, tzinfo=UTC), "has expired", "systemctl restart k3s"),
        ("127.0.0.1", datetime(2089, 1, 1, tzinfo=UTC), FUTURE, "is not valid yet", "date -u"),
        ("kubernetes", PAST, FUTURE, "was made for other names", "--tls-server-name=kubernetes"),
        ("10.43.0.1", PAST, FUTURE, "was made for other names", "--tls-san"),
    ],
    ids=["expired", "not yet valid", "another name", "another address"],
)
def test_a_certificate_that_is_refused_has_its_own_reason_and_cure(
    tmp_path: Path, name: str, start: datetime, end: datetime, said: str, cure: str
) -> None:
    with serving({}, name, not_before=start, not_after=end) as server:
        path = server.kubeconfig(tmp_path / "config", {"token": "x"})
        with pytest.raises(StartUpError) as caught:
            read_identity(Kubectl(load_kubeconfig(path, {}, None, None)), settings())
    assert said in str(caught.value)
    assert cure in str(caught.value)
    assert "fresh kubeconfig" not in str(caught.value)
