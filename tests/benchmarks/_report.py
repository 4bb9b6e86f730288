"""Tables of a measurement as text, Markdown and JSON."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Bound:
    """A figure and the limit that the project sets itself, "most" or "least"."""

    what: str
    value: float
    kind: str
    limit: float
    unit: str = ""

    def __str__(self):
        met = self.value <= self.limit if self.kind == "most" else self.value >= self.limit
        result = "reached" if met else "MISSED"
        return (
            f"{self.what}: {self.value:.3g}{self.unit} "
            f"(wanted: at {self.kind} {self.limit:g}{self.unit}) {result}"
        )


@dataclass
class Table:
    """One table with what it says, its bounds and every single reading."""

    title: str
    note: str
    columns: list
    rows: list
    readings: dict
    bounds: list = field(default_factory=list)

    def markdown(self):
        """Return title, note, table and bounds."""
        cells = [self.columns, *self.rows]
        widths = [max(len(str(row[i])) for row in cells) for i in range(len(self.columns))]
        lines = [_line(row, widths) for row in cells]
        rule = "|" + "|".join("-" * (w + 1) + (":" if i else "-") for i, w in enumerate(widths))
        table = "\n".join([lines[0], rule + "|", *lines[1:]])
        bounds = "\n".join(f"- {bound}" for bound in self.bounds)
        return "\n\n".join(filter(None, (f"## {self.title}", self.note, table, bounds)))


def _line(row, widths):
    first, *others = zip(row, widths, strict=True)
    aligned = [first[0].ljust(first[1]), *(str(cell).rjust(width) for cell, width in others)]
    return "| " + " | ".join(aligned) + " |"


def heading(machine, options):
    """Return the first lines of a report: the machine and the command's options."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return "\n".join(
        (
            "# Speed of skcnn and its peers",
            "",
            f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads used "
            f"({', '.join(machine['instruction sets'])}); {machine['memory_gib']} GiB; "
            f"{machine['system']}; Python {machine['python']}; {versions}. "
            f"Load average at the start {machine['load_average']:.2f}.",
            "",
            f"Contenders take turns, {options.rounds} rounds; processors only, "
            f"the same number of threads for all; {'quick' if options.quick else 'full'} sizes. "
            "Figures are medians; ratios are medians of the ratios in each round.",
        )
    )


def write(folder, machine, options, tables, bench):
    """Write speed.json and speed.md into `folder`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    notes = [f"Left out: {name}: {why}" for name, why in bench.left_out.items()]
    notes += [f"Caution: {text}" for text in bench.cautions]
    parts = [heading(machine, options), *(table.markdown() for table in tables), *notes]
    (folder / "speed.md").write_text("\n\n".join(parts) + "\n")
    content = {
        "machine": machine,
        "options": {name: value for name, value in vars(options).items() if value is not None},
        "workers": bench.versions,
        "left_out": bench.left_out,
        "cautions": bench.cautions,
        "tables": [asdict(table) for table in tables],
    }
    (folder / "speed.json").write_text(json.dumps(content, indent=1, default=str) + "\n")


def results_in(file: Path) -> dict[tuple, dict]:
    """Return the results that a file has a line of JSON for each, by their key."""
    lines = file.read_text().splitlines() if file.exists() else []
    return {tuple(each["key"]): each for each in map(json.loads, lines)}


def keep_result(file: Path, results: dict[tuple, dict], key: tuple, result: dict) -> None:
    """Add a result to those of `results_in`, and its line to their file."""
    results[key] = {"key": key, **result}
    with file.open("a") as out:
        out.write(json.dumps(results[key]) + "\n")
