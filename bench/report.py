"""The table: Tocsin, Alertmanager, the ratio, the aim of issue 2, and whether it is met."""

from bench.detection import DetectionFound
from bench.measures import Crowd, Delay, Killed, Storm
from bench.proof import ProofTimes


class Report:
    """Rows are added as they are measured; `text` is Markdown."""

    def __init__(self) -> None:
        self._facts: list[str] = []
        self._rows: list[tuple[str, ...]] = []

    def fact(self, name: str, value: str) -> None:
        self._facts.append(f"- {name}: {value}")

    def row(
        self, what: str, ours: str, theirs: str = "-", ratio: str = "-", aim: str = "-", met: bool | None = None
    ) -> None:
        self._rows.append((what, ours, theirs, ratio, aim, "-" if met is None else "yes" if met else "**no**"))

    def text(self) -> str:
        head = ("", "Tocsin", "Alertmanager", "ratio", "aim", "met")
        lines = [" | ".join(each) for each in (head, ("---",) * 6, *self._rows)]
        return "\n".join([*self._facts, "", *(f"| {line} |" for line in lines), ""])

    # --- one method a measurement ---

    def latency(self, size: int, ours: Delay, theirs: Delay) -> None:
        bodies = f"bodies of {size}"
        for name, mine, other in (("p50", ours.p50, theirs.p50), ("p95", ours.p95, theirs.p95)):
            self._ratio(f"latency {name}, {bodies}", mine * 1000, other * 1000, "ms", 2.0)
        if ours.missing or theirs.missing:
            self.row(f"pages missing, {bodies}", str(ours.missing), str(theirs.missing))

    def storm(self, ours: Storm, theirs: Storm) -> None:
        self._ratio("storm of 1,000 incidents until the last page", ours.seconds, theirs.seconds, "s", 2.0)
        if ours.pages < ours.alerts or theirs.pages < theirs.alerts:
            self.row("storm: alerts paged", str(ours.pages), str(theirs.pages))

    def ingest(self, size: int, ours: Storm, theirs: Storm) -> None:
        self.row(
            f"distinct incidents declared and paged, bodies of {size}",
            f"{ours.rate:,.0f}/s",
            f"{theirs.rate:,.0f}/s",
            f"{ours.rate / theirs.rate:.2f}",
            "1,500/s",
            ours.rate >= 1500,
        )

    def folding(self, size: int, ours: float, theirs: float) -> None:
        aim = 0.5 if size == 1 else 1.0
        ratio = ours / theirs
        name = f"folding into 100 incidents, bodies of {size}"
        self.row(name, f"{ours:,.0f}/s", f"{theirs:,.0f}/s", f"{ratio:.2f}", f"at least {aim}x", ratio >= aim)

    def crowd(self, found: Crowd) -> None:
        late, many = found.lateness, f"{found.incidents:,}"
        self.row(f"second rung late, {many} open, p50", f"{late.p50 * 1000:.0f} ms")
        self.row(f"second rung late, {many} open, p95", f"{late.p95 * 1000:.0f} ms", aim="300 ms", met=late.p95 < 0.3)
        self.row(f"second rung late, {many} open, worst", f"{late.worst * 1000:.0f} ms")
        if late.missing:
            self.row("second rungs missing", str(late.missing), met=False, aim="0")
        self.row("engine memory with nothing open", f"{found.empty:.0f} MB")
        self.row("engine memory at 1,000 open", f"{found.at_thousand:.0f} MB")
        self.row(f"engine memory at {many} open", f"{found.full:.0f} MB")
        each = found.kilobytes_each
        self.row("engine memory an open incident", f"{each:.1f} KB", aim="5 KB", met=each < 5)

    def restart(self, seconds: float, incidents: int) -> None:
        self.row(f"start to ready with {incidents:,} open", f"{seconds:.2f} s", aim="2 s", met=seconds < 2)

    def killed(self, system: str, found: Killed) -> None:
        said = f"{found.lost} of {found.accepted} lost, {found.copies} copies ({found.unmarked} unmarked)"
        if system == "Tocsin":
            met = found.lost == 0 and found.unmarked == 0
            self.row("killed mid-storm", said, aim="0 lost, copies marked", met=met)
        else:
            self.row("killed mid-storm (Alertmanager)", "-", said)

    def proof(self, found: ProofTimes) -> None:
        what = f"{found.years} years of {found.people} people proven, {found.scenarios} scenarios"
        loop = f"{found.minute_loop / 3600:,.0f} h by a loop over minutes"
        ratio = f"{found.minute_loop / found.seconds:,.0f}x quicker"
        self.row(what, f"{found.seconds:.1f} s", loop, ratio, "10 s", found.seconds < 10)

    def detection(self, found: DetectionFound) -> None:
        for pace in found.paces:
            what = f"{found.rules} rules, {found.streams:,} streams, {pace.an_hour} mentions an hour and brand"
            what += f", {pace.bursting} brands in a burst" if pace.bursting else ""
            said = f"{pace.a_second:,.0f}/s (slowest piece {pace.slowest:,.0f}/s)"
            self.row(what, said, aim="20,000/s", met=pace.a_second >= 20_000)
        self.row("weight of a stream", f"{found.kilobytes:.1f} KB", aim="20 KB", met=found.kilobytes < 20)

    def _ratio(self, name: str, ours: float, theirs: float, unit: str, aim: float) -> None:
        ratio = ours / theirs
        self.row(name, f"{ours:.2f} {unit}", f"{theirs:.2f} {unit}", f"{ratio:.2f}", f"at most {aim:g}x", ratio <= aim)
