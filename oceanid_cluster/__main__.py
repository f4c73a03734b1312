"""Everything that an operator, or a workflow, can run beside Pulumi: ``python -m oceanid_cluster <command>``."""

import argparse
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from oceanid_cluster.config.errors import StartUpError
from oceanid_cluster.startup.guard import in_github_actions

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
    """Run one command with its own arguments; returns its exit code, 2 when it cannot do its work.

    In GitHub Actions everything that it says goes through the redactor of its stack.
    """
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:{width}}  {doc}" for name, doc in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog=_NAME, description="what an operator can run beside Pulumi",
        epilog=f"commands:\n{commands}\n\nmore about one of them: {_NAME} <command> --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("command", choices=COMMANDS, metavar="command")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    if not arguments:
        parser.print_help()
        return 2
    chosen = parser.parse_args(arguments)
    try:
        return _run(chosen.command, chosen.arguments)
    except ModuleNotFoundError as problem:
        package = str(problem.name).partition(".")[0]
        if package == __package__:
            raise
        print(
            f"{chosen.command}: error: the Python package '{package}' is not installed for {sys.executable}.\n"
            f"Install what the program needs:  {sys.executable} -m pip install --require-hashes -r requirements.txt",
            file=sys.stderr,
        )
        return 2


def _run(name: str, arguments: Sequence[str]) -> int:
    """Run the command ``name``; returns its exit code. Raises ModuleNotFoundError."""
    command = importlib.import_module(f"oceanid_cluster.commands.{name}")
    own = argparse.ArgumentParser(
        prog=f"{_NAME} {name}", description=command.__doc__, epilog=command.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    if name != "workflow":  # not every step of it has one
        own.add_argument("--stack", help="the stack to look at; default: the selected stack")
    if hasattr(command, "add_options"):
        command.add_options(own)
    options = own.parse_args(arguments, argparse.Namespace(known=None))
    with contextlib.ExitStack() as outside:
        try:
            _check_folder()
            # What render writes holds no secret, and it runs for forks, where Pulumi cannot be asked.
            if in_github_actions(os.environ) and "stack" in options and name != "render":
                outside.enter_context(_redacted(options))
            code: int = command.main(options)
        except StartUpError as problem:
            print(f"{name}: error: {problem}", file=sys.stderr)
            return 2
    return code


def _check_folder() -> None:
    """Raise StartUpError where the current folder was deleted: no tool can work there."""
    try:
        Path.cwd()
    except OSError as problem:
        raise StartUpError(
            f"the current folder cannot be used ({problem.strerror}): was it deleted, or moved?"
            " Go to one that is there:  cd <clone>"
        ) from None


def _redacted(options: argparse.Namespace) -> contextlib.AbstractContextManager[None]:
    """What is printed in here has no secret of the stack; a Pulumi Cloud that is down gets the command's own time.

    The command finds the stack and its redactor in ``options``, and asks for neither again.
    """
    from oceanid_cluster.commands import redact
    from oceanid_cluster.commands.patience import Patience
    from oceanid_cluster.commands.pulumi_cli import selected_stack

    def known() -> redact.Redactor:
        options.stack = selected_stack(options.stack, os.environ)
        return redact.redactor(options.stack, os.environ)

    patience = Patience(getattr(options, "wait", 0))
    options.known = patience.ask(known)
    options.wait = patience.left  # of the one time that both may take
    return redact.redacted(options.known)


def _program() -> int:
    """``main`` as a program: whoever reads its output may stop early, as ``head`` does, and a person may end it."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # they end us as Ctrl-C does: the engine is told before we go
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        code = main(sys.argv[1:])
        print(end="", flush=True)
    except OSError as problem:
        # Python flushes once more at its end ("SIGPIPE" in the documentation of the module signal).
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(problem, BrokenPipeError):
            return 128 + signal.SIGPIPE
        print(f"error: {problem}", file=sys.stderr)  # a full disk
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    return code


if __name__ == "__main__":
    sys.exit(_program())
