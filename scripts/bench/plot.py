"""A small logarithmic line plot as SVG."""

from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 20, 50
COLORS = ["#1b6ca8", "#7fb2d9", "#b5482a", "#e5a38d", "#4d7c3a", "#a9c99b"]
STEPS = (1, 2, 5)


def lines(curves, x_label, y_label):
    """`curves`: points `(x, y, label)` by the name of the line; both axes are logarithmic."""
    points = [point for curve in curves.values() for point in curve]
    x_of = scale([x for x, _, _ in points], LEFT, WIDTH - RIGHT)
    y_of = scale([y for _, y, _ in points], HEIGHT - BOTTOM, TOP)
    parts = [*grid(x_of, [x for x, _, _ in points], vertical=True), *grid(y_of, [y for _, y, _ in points])]
    for index, (name, curve) in enumerate(curves.items()):
        color = COLORS[index % len(COLORS)]
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y, _ in curve)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        for x, y, label in curve:
            at = f'cx="{x_of(x):.1f}" cy="{y_of(y):.1f}"'
            parts.append(f'<circle {at} r="3.5" fill="{color}"><title>{escape(name)}: {escape(label)}</title></circle>')
        row = TOP + 18 + 18 * index
        parts.append(f'<rect x="{LEFT + 12}" y="{row - 9}" width="14" height="4" fill="{color}"/>')
        parts.append(text(LEFT + 32, row - 3, name))
    parts.append(text((LEFT + WIDTH) / 2, HEIGHT - 12, x_label, "middle"))
    turned = f'transform="rotate(-90 16 {HEIGHT / 2})"'
    parts.append(text(16, HEIGHT / 2, y_label, "middle", turned))
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', *parts, "</svg>\n"])


def scale(values, start, end):
    """From a value to a coordinate, with a margin around all values."""
    low, high = log10(min(values)) - 0.08, log10(max(values)) + 0.08
    return lambda value: start + (log10(value) - low) / (high - low) * (end - start)


def grid(of, values, vertical=False):
    for value in ticks(min(values), max(values)):
        at, label = of(value), f"{value:g}"
        if vertical:
            yield f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>'
            yield text(at, HEIGHT - BOTTOM + 16, label, "middle")
        else:
            yield f'<line y1="{at:.1f}" y2="{at:.1f}" x1="{LEFT}" x2="{WIDTH - RIGHT}" stroke="#ddd"/>'
            yield text(LEFT - 6, at + 4, label, "end")


def ticks(low, high):
    for power in range(floor(log10(low)), ceil(log10(high)) + 1):
        yield from (step * 10**power for step in STEPS if low * 0.85 <= step * 10**power <= high * 1.2)


def text(x, y, content, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(content)}</text>'
