"""Draws cost against size: both axes logarithmic, so that what grows alike is a parallel line."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 200, 40, 50
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444")

Points = Sequence[tuple[float, float]]


def log_plot(title: str, x_label: str, series: Mapping[str, Points]) -> str:
    """An SVG document.  series: {name: (x, y) each}; what is not above 0 has no place in it.

    Raises ValueError if nothing is left.
    """
    shown = {
        name: sorted((x, y) for x, y in points if x > 0 and y > 0)
        for name, points in series.items()
    }
    shown = {name: points for name, points in shown.items() if points}
    if not shown:
        raise ValueError(f"{title}: nothing above 0 to draw")
    every = [point for points in shown.values() for point in points]
    x_axis = _Axis([x for x, _ in every], _LEFT, _WIDTH - _RIGHT)
    y_axis = _Axis([y for _, y in every], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        *_frame(title, x_label, x_axis, y_axis),
        *(
            part
            for number, (name, points) in enumerate(shown.items())
            for part in _line(number, name, [(x_axis.at(x), y_axis.at(y)) for x, y in points])
        ),
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">'
    )
    background = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
    return "\n".join([head, background, *parts, "</svg>", ""])


class _Axis:
    """Whole powers of ten around the values, from pixel `first` to pixel `last`."""

    def __init__(self, values: Sequence[float], first: float, last: float) -> None:
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self._first, self._last = first, last

    def at(self, value: float) -> float:
        """The pixel of a value."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self._first + share * (self._last - self._first), 1)

    def ticks(self) -> list[float]:
        """The powers of ten."""
        return [10.0**exponent for exponent in range(self.low, self.high + 1)]


def _frame(title: str, x_label: str, x_axis: _Axis, y_axis: _Axis) -> Iterable[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    yield f'<text x="{_LEFT}" y="22" font-size="14">{escape(title)}</text>'
    middle = (_LEFT + right) / 2
    yield f'<text x="{middle}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(x_label)}</text>'
    for tick in x_axis.ticks():
        at = x_axis.at(tick)
        yield f'<path d="M{at} {bottom}V{_TOP}" stroke="#ddd"/>'
        yield f'<text x="{at}" y="{bottom + 18}" text-anchor="middle">{tick:,g}</text>'
    for tick in y_axis.ticks():
        at = y_axis.at(tick)
        yield f'<path d="M{_LEFT} {at}H{right}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 8}" y="{at + 4}" text-anchor="end">{tick:,g}</text>'


def _line(number: int, name: str, points: Points) -> Iterable[str]:
    again, place = divmod(number, len(_COLOURS))
    colour = _COLOURS[place]
    dash = ' stroke-dasharray="6 3"' if again else ""
    path = " ".join(f"{x},{y}" for x, y in points)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
    for x, y in points:
        yield f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>'
    key_x, key_y = _WIDTH - _RIGHT + 12, _TOP + 10 + 20 * number
    yield f'<path d="M{key_x} {key_y - 4}h14" stroke="{colour}" stroke-width="3"{dash}/>'
    yield f'<text x="{key_x + 18}" y="{key_y}">{escape(name)}</text>'
