"""The report of a run for people: tables."""

from __future__ import annotations

from collections.abc import Sequence

from .console import Cell, Share, Table, amount
from .report import Report


def report_tables(report: Report) -> list[Table]:
    """The report for people."""
    tables = [Table("run", ("", ""), _facts(report)), _phase_table(report)]
    if "serving" in report:
        tables.append(Table("requests", ("", ">"), _serving(report["serving"])))
    if report["cycles"] is not None:
        tables += [
            _layer_table(report["per_layer"]),
            Table(
                "time per operation",
                ("operation", "device", "time>", "share", "instructions>"),
                [
                    (
                        op["op"],
                        _device(op["device"]),
                        amount(op["seconds"], "s"),
                        Share(op["share"]),
                        op["instructions"],
                    )
                    for op in report["per_op"]
                ],
            ),
            Table(
                "utilisation",
                ("unit", "busy"),
                [
                    *(
                        (f"{_words(name)} launches", Share(device["utilisation"]))
                        for name, device in report["devices"].items()
                    ),
                    *((name, Share(value)) for name, value in report["units"].items()),
                ],
            ),
            _energy_table(report["energy_pj"]),
            Table("DRAM and PIM commands", ("command", "count>"), list(report["commands"].items())),
            Table(
                "bytes moved",
                ("", ">"),
                [(_words(name), amount(count, "B")) for name, count in report["bytes"].items()],
            ),
            Table("approximate", ("",), [(text,) for text in report["approximate"]]),
        ]
    return tables


def _serving(serving: Report) -> list[Sequence[Cell]]:
    rate = serving["tokens_per_second"]
    rows: list[Sequence[Cell]] = [
        ("requests done", serving["requests"]),
        ("simulated time", amount(serving["seconds"], "s")),
        ("tokens a second", f"{rate:.1f}" if rate else ""),
        ("steps", serving["steps"]),
        ("most requests in a step", serving["most_running"]),
        ("evictions", serving["evictions"]),
    ]
    for what in ("time_to_first_token", "time_per_output_token"):
        spread = serving[f"{what}_ms"]
        if spread is not None:
            rows += [(f"{what.replace('_', ' ')}, {name}", f"{value:.3f} ms") for name, value in spread.items()]
    for cache, use in serving["pages"].items():
        most = f"{use['peak']} of {use['pages']}"
        rows.append((f"most pages of {use['page_tokens']} {cache}", most))
    return rows


def _facts(report: Report) -> list[Sequence[Cell]]:
    host = report["host"]
    rows: list[Sequence[Cell]] = [
        ("model", f"{report['model']}{', shapes only' if report['timing_only'] else ''}"),
        ("machine", _machine(report)),
        (
            "placement",
            report["place"] if report["at"] is None else f"{report['place']}, interpreted at stage {report['at']}",
        ),
        ("context", f"{report['context']} tokens"),
        ("tokens", f"{report['tokens_in']} in, {report['tokens_out']} out"),
        ("host", ", ".join(f"{name} {amount(seconds, 's')}" for name, seconds in host["seconds"].items())),
    ]
    tensor, stages = report["tensor_parallel"], report["pipeline_stages"]
    if tensor * stages > 1:
        rows.insert(
            3,
            (
                "devices",
                f"{tensor * stages}: {tensor} share each layer, {stages} pipeline stage{'s' if stages > 1 else ''}; "
                f"times and tokens/s of all, the rest of one device{' of the last stage' if stages > 1 else ''}",
            ),
        )
    if host["tokens_per_second"]:
        rows.append(("host speed", f"{host['tokens_per_second']:.2f} tokens/s in decode"))
    if report["batch"] > 1:
        rows.insert(4, ("batch", f"{report['batch']} sequences"))
    return rows


def _machine(report: Report) -> str:
    """Name and description; many descriptions begin with the name."""
    name, description = report["machine"], report["machine_description"]
    return description if description.lower().startswith(name) else f"{name}: {description}"


def _layer_table(layers: Sequence[Report]) -> Table:
    inside = [entry["seconds"] for entry in layers if entry["layer"] >= 0]
    outside = [entry["seconds"] for entry in layers if entry["layer"] < 0]
    rows: list[Sequence[Cell]] = []
    if inside:
        low, high = amount(min(inside), "s"), amount(max(inside), "s")
        each = f"each {low}" if low == high else f"{low} to {high}"
        rows.append((f"{len(inside)} layers", amount(sum(inside), "s"), each))
    if outside:
        rows.append(("outside the layers", amount(sum(outside), "s"), "embedding, last norm, logits"))
    return Table("last step", ("", ">", ""), rows)


def _phase_table(report: Report) -> Table:
    timed = report["cycles"] is not None
    energy = "energy of one device>" if report["tensor_parallel"] * report["pipeline_stages"] > 1 else "energy>"
    columns = ("phase", "tokens>", "steps>", *(("cycles>", "time>", "tokens/s>", energy) if timed else ()), "host>")
    rows: list[Sequence[Cell]] = []
    for phase in report["phases"]:
        costs: tuple[Cell, ...] = ()
        if timed:
            speed = phase["tokens_per_second"]
            costs = (
                phase["cycles"],
                amount(phase["seconds"], "s"),
                f"{speed:,.0f}" if speed else None,
                amount(phase["energy_pj"] / 1e12, "J"),
            )
        rows.append((phase["name"], phase["tokens"], phase["steps"], *costs, amount(phase["host_seconds"], "s")))
    clock = f" (cycles of the memory clock, {report['clock_ps']} ps)" if timed else ""
    return Table(f"phases{clock}", columns, rows)


def _energy_table(energy: Report) -> Table:
    total = energy["total"] or 1.0
    rows: list[Sequence[Cell]] = [
        (name, amount(value / 1e12, "J"), Share(value / total), energy["sources"][name])
        for name, value in energy["components"].items()
    ]
    spread = f"{amount(energy['low'] / 1e12, 'J')} to {amount(energy['high'] / 1e12, 'J')} with other published values"
    rows.append(("total", amount(energy["total"] / 1e12, "J"), None, spread if energy["low"] != energy["high"] else ""))
    return Table("energy", ("component", "energy>", "share", "source of the number"), rows)


def _words(name: str) -> str:
    return name.replace("_", " ").replace("npu", "NPU").replace("pim", "PIM").replace("dram", "DRAM")


def _device(name: str) -> str:
    """The xPU is the one device whose times are formulas."""
    return "xpu, analytic" if name == "xpu" else name
