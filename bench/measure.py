"""What is measured: processes' CPU time and memory, and figures made of rounds."""

from __future__ import annotations

import os
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
MICRO = 1_000_000


@dataclass(frozen=True)
class Settings:
    """How long and how often, and where files go; ``messages`` wait in the store of ``million``."""

    directory: Path
    seconds: float
    rounds: int
    messages: int
    profile: Path | None


@dataclass(frozen=True)
class Figure:
    """One measured thing: a value a round. ``target`` as it was set; empty for what is only shown."""

    name: str
    target: str
    unit: str
    values: Sequence[float]

    def row(self) -> str:
        """As a line of a Markdown table."""
        shown = [_shown(value) for value in (statistics.median(self.values), min(self.values), max(self.values))]
        return f"| {self.name} | {self.target} | {shown[0]} ({shown[1]}–{shown[2]}) {self.unit} |"


def table(figures: Sequence[Figure]) -> str:
    """All figures as a Markdown table: median (min-max) of the rounds."""
    return "\n".join(["| figure | target | measured |", "|---|---|---|", *(figure.row() for figure in figures)])


def cpu_s(pid: int) -> float:
    """CPU time of a process so far, user and system, all its threads; in steps of a clock tick."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def memory_mib(pid: int, kind: str = "VmRSS") -> float:
    """Resident memory of a process; ``VmHWM`` is the most it ever had."""
    found = re.search(rf"^{kind}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("ascii"), re.MULTILINE)
    assert found is not None, "the kernel tells every process's memory"
    return int(found[1]) / 1024


def buckets(metrics: str, name: str) -> dict[float, float]:
    """The cumulative buckets of a histogram in the Prometheus text format."""
    pattern = rf'^{name}_bucket{{le="([^"]+)"}} (\S+)$'
    return {float(edge): float(count) for edge, count in re.findall(pattern, metrics, re.MULTILINE)}


def quantile(before: Mapping[float, float], after: Mapping[float, float], q: float) -> float:
    """The quantile of what came into a histogram between two readings, linear within its bucket."""
    counts = {edge: count - before.get(edge, 0.0) for edge, count in after.items()}
    wanted = q * max(counts.values())
    low, below = 0.0, 0.0
    for edge, count in sorted(counts.items()):
        if count >= wanted:
            return low if count == below else low + (edge - low) * (wanted - below) / (count - below)
        low, below = edge, count
    return low


def percentile(values: Sequence[float], q: float) -> float:
    """The value that a share ``q`` of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def ratios(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """Round by round."""
    return [one / other for one, other in zip(first, second, strict=True)]


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
