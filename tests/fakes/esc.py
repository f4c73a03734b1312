"""A fake of ``pulumi env open`` of ESC 0.25; every other command goes to the real ``pulumi``.

The variable ESC_FAKE names a JSON file: ``{"outcome": …, "environments": {"org/project/name": {values}}}``.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any


def main(arguments: list[str]) -> int:
    if arguments[:2] != ["env", "open"]:
        real = os.environ["REAL_PULUMI"]
        os.execv(real, [real, *arguments])
    world: dict[str, Any] = json.loads(Path(os.environ["ESC_FAKE"]).read_text(encoding="utf-8"))
    name, path, flag, form = arguments[2:]
    assert (flag, form) == ("--format", "json")
    if world.get("outcome") == "unavailable":
        print("error: could not connect to Pulumi Cloud: no route to host", file=sys.stderr)
        return 255
    if world.get("outcome") == "diagnostics":  # a broken environment is reported, and is not an error
        print(f"{name}:4:7: unknown provider", file=sys.stderr)
        return 0
    if name not in world["environments"]:
        print(f"error: [404] Not Found: environment '{name}' not found", file=sys.stderr)
        return 255
    value: Any = world["environments"][name]
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    print(json.dumps(value, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
