"""The former name of ``python -m oceanid_cluster leftovers``; it works for one more release."""

import sys

from oceanid_cluster.commands import under_old_name
from oceanid_cluster.leftovers import main

if __name__ == "__main__":
    sys.exit(under_old_name("leftovers", main))
