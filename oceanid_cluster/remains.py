"""The former name of ``python -m oceanid_cluster.leftovers``; it works for one more release."""

import sys

from oceanid_cluster import leftovers

if __name__ == "__main__":
    print("remains: this command is now: python -m oceanid_cluster.leftovers", file=sys.stderr)
    sys.exit(leftovers.main(sys.argv[1:]))
