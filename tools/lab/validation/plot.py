"""A scenario's plot: panels one below the other, with the same time below all of them, as SVG."""

import dataclasses
import math
from xml.sax.saxutils import escape

WIDTH, PANEL_HEIGHT = 860, 190
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 34, 26
LEGEND_HEIGHT = 30

# Told apart also by who sees red and green alike, and by shape: two ways that agree lie on one
# another, and all of them are still to be seen.
STYLES = {
    "set": {"stroke": "#767676", "width": 1.6, "dash": "6 4"},
    "proc": {"stroke": "#f0a830", "width": 6, "opacity": 0.55},
    "libvirt": {"fill": "#007a5e", "radius": 2.6},
    "own": {"fill": "#a3356b", "radius": 2.6},
    "ebpf": {"stroke": "#0b4fa8", "width": 1.8},
}
ORDER = ("set", "proc", "libvirt", "own", "ebpf")
DOTS = ("libvirt", "own")


@dataclasses.dataclass(frozen=True)
class Line:
    """`points` are (time in s, value); a value None is a gap. "set" is drawn as steps, "libvirt"
    and "own" as dots, the others as lines."""

    label: str
    style: str
    points: list


@dataclasses.dataclass(frozen=True)
class Panel:
    title: str
    unit: str
    lines: list


def svg(title, panels, since, until):
    """The whole picture. `since` is where the time axis has 0."""
    height = LEGEND_HEIGHT + len(panels) * PANEL_HEIGHT + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_legend(panels),
    ]
    for number, panel in enumerate(panels):
        top = LEGEND_HEIGHT + number * PANEL_HEIGHT
        parts += _panel(panel, top, since, until)
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{height - 6}" text-anchor="end" fill="#444">'
        "s since the scenario began</text></svg>"
    )
    return "\n".join(parts)


def _legend(panels):
    labels = {}
    for panel in panels:
        for line in panel.lines:
            labels.setdefault((ORDER.index(line.style), line.style, line.label), line)
    x, parts = LEFT, []
    for _, style, label in sorted(labels):
        y = 16
        if style in DOTS:
            parts.append(_dot(style, x + 11, y))
        else:
            parts.append(_path(style, f"M{x} {y}h22"))
        parts.append(f'<text x="{x + 28}" y="{y + 4}" fill="#222">{escape(label)}</text>')
        x += 46 + 7 * len(label)
    return parts


def _panel(panel, top, since, until):
    values = [value for line in panel.lines for _, value in line.points if value is not None]
    ceiling, step = _scale(max(values, default=1))
    y0, y1 = top + PANEL_HEIGHT - BOTTOM, top + TOP
    left, right = LEFT, WIDTH - RIGHT
    length = max(1.0, until - since)

    def place(moment, value):
        x = left + (right - left) * (moment - since) / length
        y = y0 - (y0 - y1) * max(0.0, value) / ceiling
        return f"{min(max(x, left), right):.1f} {y:.1f}"

    parts = [
        f'<text x="{left}" y="{top + 22}" fill="#222" font-weight="600">{escape(panel.title)} '
        f'<tspan font-weight="400" fill="#555">{escape(panel.unit)}</tspan></text>'
    ]
    for number in range(round(ceiling / step) + 1):
        y = y0 - (y0 - y1) * number * step / ceiling
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="#e4e4e4" stroke-width="1"/>')
        parts.append(
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555">'
            f"{number * step:g}</text>"
        )
    _, every = _scale(length)
    for number in range(int(length / every) + 1):
        x = left + (right - left) * number * every / length
        parts.append(f'<path d="M{x:.1f} {y0}v4" stroke="#888" stroke-width="1"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{y0 + 16}" text-anchor="middle" fill="#555">'
            f"{number * every:g}</text>"
        )
    parts.append(f'<path d="M{left} {y0}H{right}" stroke="#888" stroke-width="1"/>')
    for line in sorted(panel.lines, key=lambda line: ORDER.index(line.style)):
        parts += _line(line, place)
    return parts


def _line(line, place):
    if line.style in DOTS:
        known = [point for point in line.points if point[1] is not None]
        return [_dot(line.style, *place(*point).split()) for point in known]
    commands, pen_down, last = [], False, None
    for moment, value in line.points:
        if value is None:
            pen_down = False
            continue
        if pen_down and line.style == "set":
            commands.append("L" + place(moment, last))
        commands.append(("L" if pen_down else "M") + place(moment, value))
        pen_down, last = True, value
    return [_path(line.style, "".join(commands))] if commands else []


def _path(style, data):
    look = STYLES[style]
    dash = f' stroke-dasharray="{look["dash"]}"' if "dash" in look else ""
    opacity = f' stroke-opacity="{look["opacity"]}"' if "opacity" in look else ""
    return (
        f'<path d="{data}" fill="none" stroke="{look["stroke"]}" stroke-width="{look["width"]}" '
        f'stroke-linejoin="round"{dash}{opacity}/>'
    )


def _dot(style, x, y):
    look = STYLES[style]
    return f'<circle cx="{x}" cy="{y}" r="{look["radius"]}" fill="{look["fill"]}"/>'


def _scale(most):
    """(a round number above `most`, the step between lines): four to six of them."""
    most = max(most, 1e-9) * 1.02
    power = 10 ** math.floor(math.log10(most))
    for step in (0.2, 0.5, 1, 2, 5):
        if most / (step * power) <= 6:
            return math.ceil(most / (step * power)) * step * power, step * power
    return 10 * power, 2 * power
