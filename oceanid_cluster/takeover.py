"""The former name of ``python -m oceanid_cluster.adopt_state``; it works for one more release."""

import sys

from oceanid_cluster import adopt_state

if __name__ == "__main__":
    print("takeover: this command is now: python -m oceanid_cluster.adopt_state", file=sys.stderr)
    sys.exit(adopt_state.main(sys.argv[1:]))
