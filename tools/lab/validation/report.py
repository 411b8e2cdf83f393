"""The report of a run: Markdown with the plots beside it, and one HTML file that has it all."""

import html

from .checks import MISSED, show

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #ddd;
  padding-top: 1.2rem }
table { border-collapse: collapse; width: 100%; margin: .8rem 0; font-size: .9rem }
th, td { text-align: left; padding: .28rem .6rem; border-bottom: 1px solid #e4e4e4;
  vertical-align: top }
th { background: #f4f4f4 } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap }
.met { color: #00664e } .MISSED, .failed { color: #a80000; font-weight: 700 } .noted { color: #666 }
.why { color: #444; font-size: .9rem } svg { width: 100%; height: auto; border: 1px solid #e4e4e4 }
"""
COLUMNS = ("what", "expected", "measured", "difference", "bound", "verdict", "why")


def write(directory, run):
    """Writes report.md, report.html and the plots into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    for result in run.results:
        if result.picture:
            (directory / f"{result.key}.svg").write_text(result.picture)
    (directory / "report.md").write_text(markdown(run))
    (directory / "report.html").write_text(page(run))


def summary(run):
    """[(scenario, verdict, checks, seconds)]"""
    rows = []
    for result in run.results:
        made = [check for check in result.checks if check.verdict != "noted"]
        met = sum(check.verdict != MISSED for check in made)
        what = result.reason or f"{met} of {len(made)} checks met"
        rows.append((result.title, result.verdict, what, f"{result.seconds:.0f}"))
    return rows


def noise_words(noise):
    """What else went on, in one sentence."""
    if noise["busy"] is None:
        return "It is not known what else went on."
    share = {key: f"{value:.1f} %" for key, value in noise.items() if value is not None}
    return (
        f"Of all CPUs' time {share['busy']} was used: {share['guests']} by the guests, "
        f"{share['virtpulse']} by both agents and the collector, {share['other']} by all else that "
        f"the machine ran. {share['steal']} was stolen by its own hypervisor."
    )


def check_rows(result):
    """The table's rows, and the reasons that they refer to by number."""
    reasons, rows = [], []
    for check in result.checks:
        if check.why and check.why not in reasons:
            reasons.append(check.why)
        mark = f"{reasons.index(check.why) + 1}" if check.why else ""
        unit = f" {check.unit}" if check.unit else ""
        difference = "" if check.difference is None else f"{check.difference:+.2f}"
        if check.difference is not None and abs(check.difference) >= 1000:
            difference = f"{check.difference:+.0f}"
        expected = "" if check.expected is None and check.verdict == "noted" else show(check.expected)
        rows.append(
            (check.what, expected, show(check.measured) + unit, difference, check.bound,
             check.verdict, mark)
        )  # fmt: skip
    return rows, reasons


def markdown(run):
    lines = ["# Scenarios", "", run.headline, ""]
    lines += _table(("scenario", "verdict", "", "seconds"), summary(run))
    lines += ["", "## The machine and the run", ""]
    lines += _table(("", ""), run.facts)
    for result in run.results:
        lines += ["", f"## {result.title}: {result.verdict}", "", result.text.strip(), ""]
        if result.reason:
            lines += [f"{result.reason}", ""]
        if result.picture:
            lines += [f"![{result.title}]({result.key}.svg)", ""]
        if result.checks:
            rows, reasons = check_rows(result)
            lines += _table(COLUMNS, rows)
            lines += ["", *(f"{n}. {reason}" for n, reason in enumerate(reasons, 1)), ""]
        if result.noise:
            lines += [f"Noise: {noise_words(result.noise)}"]
    return "\n".join(lines) + "\n"


def _table(head, rows):
    def line(cells):
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    return [line(head), line(["---"] * len(head)), *map(line, rows)]


def page(run):
    escape = html.escape
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>virtpulse: scenarios</title>",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style><h1>Scenarios</h1><p>{escape(run.headline)}</p>",
        _html_table(("scenario", "verdict", "", "seconds"), summary(run), numbers=(3,)),
        "<h2>The machine and the run</h2>",
        _html_table((), run.facts),
    ]
    for result in run.results:
        parts.append(
            f'<h2 id="{result.key}">{escape(result.title)}: '
            f'<span class="{result.verdict}">{escape(result.verdict)}</span></h2>'
        )
        paragraphs = result.text.strip().split("\n\n")
        parts += [f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs]
        if result.reason:
            parts.append(f"<p>{escape(result.reason)}</p>")
        parts.append(result.picture or "")
        if result.checks:
            rows, reasons = check_rows(result)
            parts.append(_html_table(COLUMNS, rows, numbers=(1, 2, 3, 4)))
            items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
            parts.append(f'<ol class="why">{items}</ol>')
        if result.noise:
            parts.append(f'<p class="why">Noise: {escape(noise_words(result.noise))}</p>')
    return "\n".join(parts) + "\n"


def _html_table(head, rows, numbers=()):
    def cell(tag, column, text):
        text = str(text)
        names = ["n"] if column in numbers else []
        if text in ("met", MISSED, "noted", "failed"):
            names.append(text)
        kind = f' class="{" ".join(names)}"' if names else ""
        return f"<{tag}{kind}>{html.escape(text)}</{tag}>"

    lines = ["<table>"]
    if head:
        lines.append("<tr>" + "".join(cell("th", n, text) for n, text in enumerate(head)) + "</tr>")
    for row in rows:
        lines.append("<tr>" + "".join(cell("td", n, text) for n, text in enumerate(row)) + "</tr>")
    return "".join(lines) + "</table>"


