"""What a benchmark found: medians, ratios and targets, as a table, as plots, and as the page that holds them."""

import statistics
from collections.abc import Mapping, Sequence
from html import escape
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
_COLOURS = ("#2f6fb0", "#8a8a8a", "#c8803c")
_SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" font-family="sans-serif" font-size="12">'


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
    parts = (_conditions(results), operations_table(results), "![seconds of each operation](performance.svg)",
             other_figures(results), "![seconds of the program by size](growth.svg)")  # fmt: skip
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


def bars(groups: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """An SVG of horizontal bars: medians by group and series, with a line from minimum to maximum."""
    longest = max(one["maximum"] for series in groups.values() for one in series.values())
    left, width, height, scale = 110, 720, 18, 520 / longest
    names = list(next(iter(groups.values())))
    parts = ['<rect width="100%" height="100%" fill="#ffffff"/>']
    for number, name in enumerate(names):
        x = left + 140 * number
        parts.append(f'<rect x="{x}" y="12" width="12" height="12" fill="{_COLOURS[number]}"/>')
        parts.append(f'<text x="{x + 18}" y="22">{escape(name)}</text>')
    y = 40
    for group, series in groups.items():
        parts.append(f'<text x="8" y="{y + height * len(series) / 2 + 4:g}">{escape(group)}</text>')
        for number, one in enumerate(series.values()):
            low, middle, high = (one[key] * scale for key in ("minimum", "median", "maximum"))
            centre = y + height / 2
            parts += [
                f'<rect x="{left}" y="{y + 2}" width="{middle:.1f}" height="{height - 4}" fill="{_COLOURS[number]}"/>',
                f'<path d="M{left + low:.1f} {centre}H{left + high:.1f}" stroke="#000000" stroke-width="1.5"/>',
                f'<text x="{left + high + 6:.1f}" y="{centre + 4}">{one["median"]:.1f} s</text>',
            ]
            y += height
        y += 12
    return "\n".join([_SVG.format(width, y), *parts, "</svg>", ""])


def lines(series: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """An SVG of one plot for each series, side by side: median seconds by size, both axes from zero."""
    parts = ['<rect width="100%" height="100%" fill="#ffffff"/>']
    top = max(one["maximum"] for sizes in series.values() for one in sizes.values())
    for number, (what, sizes) in enumerate(series.items()):
        left, bottom, colour = 50 + 360 * number, 200, _COLOURS[number]
        across = 280 / max(map(int, sizes))
        points = [(left + int(size) * across, bottom - one["median"] / top * 160, one) for size, one in sizes.items()]
        parts += [
            f'<path d="M{left} 30V{bottom}H{left + 290}" fill="none" stroke="#8a8a8a"/>',
            f'<text x="{left}" y="20">seconds by number of {escape(what)}</text>',
            f'<path d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y, _ in points)}" fill="none" stroke="{colour}"/>',
        ]
        for size, (x, y, one) in zip(sizes, points, strict=True):
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>',
                f'<text x="{x:.1f}" y="{y - 10:.1f}">{one["median"]:.2f}</text>',
                f'<text x="{x:.1f}" y="{bottom + 18}">{size if int(size) * across > 30 else ""}</text>',
            ]
    return "\n".join([_SVG.format(50 + 360 * len(series), 230), *parts, "</svg>", ""])
