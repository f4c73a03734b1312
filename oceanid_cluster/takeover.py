"""The former name of ``python -m oceanid_cluster adopt-state``; it works for one more release."""

import sys

from oceanid_cluster.adopt_state import main
from oceanid_cluster.commands import under_old_name

if __name__ == "__main__":
    sys.exit(under_old_name("adopt-state", main))
