"""Everything that an operator, or a workflow, can run beside Pulumi: ``python -m oceanid_cluster <command>``."""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence

_NAME = "python -m oceanid_cluster"
# Command, and what it answers, in the order in which one needs them.
COMMANDS = {
    "preflight": "can a deploy work? Run it before one",
    "health": "is everything ready? Run it after one",
    "graph": "a picture of what is installed, and of what is ready",
    "drift": "does the cluster differ from the program?",
    "leftovers": "what is left after a destroy, and how to remove it",
    "plan": "what a preview would replace or delete, as an exit code",
    "render": "every object that the program would make, as YAML",
    "workflow": "the steps of the workflows",
}


def main(arguments: Sequence[str]) -> int:
    """Run one command with its own arguments; returns its exit code."""
    width = max(map(len, COMMANDS))
    parser = argparse.ArgumentParser(
        prog=_NAME,
        description="what an operator can run beside Pulumi",
        epilog="\n".join(
            [
                "commands:",
                *(f"  {name:{width}}  {doc}" for name, doc in COMMANDS.items()),
                "",
                f"more about one of them: {_NAME} <command> --help",
            ]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="command")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the command")
    if not arguments:
        parser.print_help()
        return 2
    chosen = parser.parse_args(arguments)
    module = importlib.import_module(f"oceanid_cluster.commands.{chosen.command.replace('-', '_')}")
    code: int = module.main(chosen.arguments)
    return code


def _run() -> int:
    """``main`` as a program: whoever reads its output may stop early, as ``head`` does, and a person may end it."""
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at its end ("SIGPIPE" in the documentation of the module signal).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return code


if __name__ == "__main__":
    sys.exit(_run())
