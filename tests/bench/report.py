"""What a benchmark found: medians, ratios and targets, as a table, as plots, and as the page that holds them."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Results = dict[str, Any]

BEGIN, END = "<!-- measured: begin (make bench) -->", "<!-- measured: end -->"
PROGRAM, LIMIT, PREDECESSOR = "program", "limit", "predecessor"
CONTENDERS = (PROGRAM, LIMIT, PREDECESSOR)
# The largest ratio of the program's median to another one's, by operation.
TARGETS: Mapping[str, Mapping[str, float]] = {
    "first up": {LIMIT: 1.8},
    "no-op preview": {PREDECESSOR: 1.0},
    "no-op up": {PREDECESSOR: 1.0},
    "one label": {},
    "destroy": {PREDECESSOR: 0.7},
}
CPU_SECONDS = 4.3  # of a no-op preview, the engine and everything that it starts
GROWTH_SECONDS = 1.0  # what the largest size may add to a run of the program


def spread(seconds: Sequence[float]) -> dict[str, Any]:
    """Minimum, median and maximum of repeated measurements in seconds, which must be one at least."""
    rounded = [round(one, 3) for one in seconds]  # first, so that the file's figures follow from its own seconds
    return {
        "minimum": min(rounded), "median": round(statistics.median(rounded), 3), "maximum": max(rounded),
        "seconds": rounded,
    }  # fmt: skip


def ratio(results: Results, operation: str, other: str) -> float:
    """How many times as long as ``other`` the program takes: medians of one run."""
    measured = results["operations"][operation]
    return measured[PROGRAM]["median"] / measured[other]["median"]


def missed(results: Results) -> list[str]:
    """The targets that the results do not meet, one line each."""
    lines = [
        f"{operation}: {ratio(results, operation, other):.2f} of the {other}, target {most}"
        for operation, targets in TARGETS.items()
        for other, most in targets.items()
        if ratio(results, operation, other) > most
    ]
    used = results["cpu"]["median"]
    if used > CPU_SECONDS:
        lines.append(f"no-op preview: {used:.2f} CPU seconds, target {CPU_SECONDS}")
    for what, sizes in results["growth"].items():
        added = _added(sizes)
        if added > GROWTH_SECONDS:
            lines.append(f"{what}: {added:.2f} s more with {max(sizes, key=int)}, target {GROWTH_SECONDS}")
    return lines


def page(document: str, results: Results) -> str:
    """A document with everything between its markers brought up to date. Raises ValueError without them."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document lacks the markers {BEGIN} and {END}")
    operations = {
        f"{operation}: {name}": one
        for operation, measured in results["operations"].items()
        for name, one in measured.items()
    }
    growth = {f"{size} {what}": one for what, sizes in results["growth"].items() for size, one in sizes.items()}
    parts = (
        _conditions(results), operations_table(results), plot("Seconds of each operation", operations),
        other_figures(results), plot("Seconds of the program alone, by size", growth),
    )  # fmt: skip
    return f"{before}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{after}"


def operations_table(results: Results) -> str:
    """One row for each operation: seconds of each contender, and the program's ratio to the two others."""
    rows = [
        "| operation | " + " | ".join(f"{name}, s" for name in CONTENDERS) + " | to the limit | to the predecessor |",
        "|---|---|---|---|---|---|",
    ]
    for operation, measured in results["operations"].items():
        cells = [operation, *(_range(measured[name]) for name in CONTENDERS)]
        for other in (LIMIT, PREDECESSOR):
            most = TARGETS[operation].get(other)
            target = f" (target {most:g})" if most else ""
            cells.append(f"{ratio(results, operation, other):.2f}{target}")
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _conditions(results: Results) -> str:
    conditions = results["conditions"]
    return "\n".join(
        ["| measured with | |", "|---|---|", *(f"| {key} | {value} |" for key, value in conditions.items())]
    )


def other_figures(results: Results) -> str:
    """Two lines: CPU seconds of a no-op preview, and seconds of the program alone."""
    cpu, alone = (_range(results[name]) for name in ("cpu", "alone"))
    return (
        f"A no-op preview takes {cpu} CPU seconds (target {CPU_SECONDS:g}).\n"
        f"The program alone, from the start of Python to its last registration, takes {alone} s."
    )


def _range(measured: Mapping[str, Any]) -> str:
    """The median, and in parentheses how far the measurements lie apart."""
    return f"{measured['median']:.2f} ({measured['minimum']:.2f} to {measured['maximum']:.2f})"


def _added(sizes: Mapping[str, Mapping[str, Any]]) -> float:
    """What the largest size adds to the smallest one, in seconds."""
    return sizes[max(sizes, key=int)]["median"] - sizes[min(sizes, key=int)]["median"]


def plot(title: str, measured: Mapping[str, Mapping[str, Any]]) -> str:
    """A bar for each median in seconds, as a Mermaid chart, which GitHub draws."""
    names = ", ".join(f'"{name}"' for name in measured)
    medians = [one["median"] for one in measured.values()]
    return f"""```mermaid
xychart-beta horizontal
    title "{title}"
    x-axis [{names}]
    y-axis "seconds" 0 --> {max(medians)}
    bar {medians}
```"""
