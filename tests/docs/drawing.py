"""Drawing SVG: lanes with arrows between them, and boxes with arrows between them. No program, font or script
is needed to show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

INK, PALE, FILL, ACCENT = "#24292f", "#8c959f", "#f6f8fa", "#0969da"
_STYLE = f"""
text {{ font: 12px system-ui, sans-serif; fill: {INK} }}
.head {{ font-weight: 600 }}
.small {{ font-size: 11px; fill: #57606a; paint-order: stroke; stroke: #fff; stroke-width: 3px }}
.box {{ fill: {FILL}; stroke: {PALE} }}
.group {{ fill: none; stroke: {PALE}; stroke-dasharray: 5 4 }}
.lane {{ stroke: {PALE}; stroke-dasharray: 2 4 }}
.arrow {{ stroke: {ACCENT}; fill: none; stroke-width: 1.4; marker-end: url(#tip) }}
"""
_TIP = (
    '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    f'orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" fill="{ACCENT}"/></marker>'
)


@dataclass(frozen=True)
class Arrow:
    """An arrow between two named lanes or boxes, and what is written at it."""

    source: str
    target: str
    text: str
    note: str = ""


def lanes(title: str, names: Mapping[str, str], arrows: Sequence[Arrow], pitch: int = 120) -> str:
    """Draw a vertical line for each name, with what stands at its head, and the arrows from top to bottom."""
    x = {name: 70 + pitch * place for place, name in enumerate(names)}
    wide = min(104, pitch - 8)
    width, height = max(x.values()) + 90, 70 + 34 * len(arrows)
    parts = []
    for name, head in names.items():
        parts.append(_line(x[name], 36, x[name], height - 14, "lane"))
        parts.append(_box(x[name] - wide / 2, 12, wide, 24))
        parts.append(_text(x[name], 28, head, "head"))
    for place, arrow in enumerate(arrows):
        y = 66 + 34 * place
        parts += _between(x[arrow.source], x[arrow.target], y, arrow)
    return _picture(title, width, height, parts)


def _between(start: int, end: int, y: int, arrow: Arrow) -> list[str]:
    text = f"{arrow.text} {arrow.note}".strip()
    if start == end:
        curve = f"M{start} {y} h26 v14 h-24"
        return [f'<path class="arrow" d="{curve}"/>', _text(start + 32, y + 11, text, "small", "start")]
    return [_line(start, y, end, y, "arrow"), _text((start + end) / 2, y - 5, text, "small")]


@dataclass(frozen=True)
class Box:
    """A box with lines of text, or a frame around others."""

    x: int
    y: int
    width: int
    height: int
    lines: Sequence[str] = ()
    frame: bool = False


@dataclass(frozen=True)
class Drawing:
    """Boxes by name, and straight arrows between them."""

    title: str
    width: int
    height: int
    boxes: Mapping[str, Box]
    arrows: Sequence[Arrow] = field(default_factory=tuple)

    def svg(self) -> str:
        """Draw it."""
        parts = [part for box in self.boxes.values() for part in _lines(box)]
        parts += [part for arrow in self.arrows for part in self._arrow(arrow)]
        return _picture(self.title, self.width, self.height, parts)

    def _arrow(self, arrow: Arrow) -> list[str]:
        source, target = self.boxes[arrow.source], self.boxes[arrow.target]
        x1, x2 = _ends(source.x, source.width, target.x, target.width)
        y1, y2 = _ends(source.y, source.height, target.y, target.height)
        line = _line(x1, y1, x2, y2, "arrow")
        upright = x1 == x2
        words = [arrow.text, arrow.note] if arrow.note else [arrow.text]
        if upright:
            y = (y1 + y2) / 2 + 4 - 7 * (len(words) - 1)
            return [line, *(_text(x1 + 8, y + 14 * n, w, "small", "start") for n, w in enumerate(words))]
        middle, y = (x1 + x2) / 2, (y1 + y2) / 2 - 6
        return [line, *(_text(middle, y + (18 if n else 0), word, "small") for n, word in enumerate(words))]


def _ends(start: int, size: int, other: int, length: int) -> tuple[float, float]:
    """Return where an arrow leaves and arrives along one axis: facing edges, or the middle of both."""
    if start + size <= other:
        return start + size, other
    if other + length <= start:
        return start, other + length
    middle = (max(start, other) + min(start + size, other + length)) / 2
    return middle, middle


def _lines(box: Box) -> list[str]:
    made = [_box(box.x, box.y, box.width, box.height, "group" if box.frame else "box")]
    if box.frame:
        return [*made, _text(box.x + 10, box.y + 17, box.lines[0], "small", "start")]
    top = box.y + box.height / 2 + 4 - 8 * (len(box.lines) - 1)
    for number, text in enumerate(box.lines):
        made.append(_text(box.x + box.width / 2, top + 16 * number, text, "small" if number else "head"))
    return made


def _picture(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img">\n<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n'
        f'<defs>{_TIP}</defs>\n<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>\n'
    )
    return head + "\n".join(parts) + "\n</svg>\n"


def _box(x: float, y: float, width: float, height: float, kind: str = "box") -> str:
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5"/>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'


def _text(x: float, y: float, text: str, kind: str, anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'
