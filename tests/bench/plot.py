# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Bar charts with labelled axes, as SVG."""

import math
from xml.sax.saxutils import escape

COLOURS = ("#8c9aa8", "#1f6f8b", "#c8553d", "#e0a458", "#5b7553")
WIDTH, PANEL, TOP, LEFT, BOTTOM = 900, 320, 54, 76, 76
LINE = 14


class Panel:
    """A chart: groups of bars, one bar for each series.

    `series' is a list of (name, values, spans): a value for each group or
    None, and (least, greatest) or None for each of them.  `unit' is the unit
    of the bars, `what' the kind of the groups.  `ours' is a name and the
    numbers of the groups that it is for: these have a colour of their own in a
    chart of one series."""

    def __init__(self, title, unit, what, groups, series, ours=("", ())):
        self.title, self.unit, self.what = title, unit, what
        self.groups, self.series = groups, series
        self.name_of_ours, self.ours = ours
        self.lines = max(group.count("\n") + 1 for group in groups)
        self.height = PANEL + LINE * (self.lines - 1)

    def draw(self, y):
        most = max([v for _, values, _ in self.series for v in values if v]
                   + [s[1] for _, _, spans in self.series for s in spans if s]
                   + [1])
        step = _step(most)
        top = step * math.ceil(most / step)
        base, height = y + PANEL - BOTTOM, PANEL - BOTTOM - TOP
        out = [_text(LEFT, y + 18, self.title, size=15, weight="bold"),
               _text(18, base - height / 2, self.unit, anchor="middle",
                     turn=True),
               _text((LEFT + WIDTH) / 2, base + 17 + LINE * self.lines,
                     self.what, anchor="middle")]

        def at(value):
            return base - height * value / top

        for n in range(round(top / step) + 1):
            out.append(f'<line x1="{LEFT}" x2="{WIDTH - 12}" y1="'
                       f'{at(n * step):.1f}" y2="{at(n * step):.1f}"'
                       f' stroke="{"#444" if n == 0 else "#ddd"}"/>')
            out.append(_text(LEFT - 6, at(n * step) + 4, f"{n * step:g}",
                             anchor="end"))
        out += self._legend(y + 36) + self._bars(base, at)
        return out

    def _legend(self, y):
        out, x = [], LEFT
        names = [name for name, _, _ in self.series]
        if self.ours:
            names.append(self.name_of_ours)
        if len(names) == 1:
            return out
        for name, colour in zip(names, COLOURS):
            out.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10"'
                       f' fill="{colour}"/>')
            out.append(_text(x + 14, y, name))
            x += 30 + 7 * len(name)
        return out

    def _bars(self, base, at):
        out = []
        room = (WIDTH - 12 - LEFT) / len(self.groups)
        wide = room * 0.8 / len(self.series)
        for g, group in enumerate(self.groups):
            left = LEFT + room * (g + 0.1)
            for line, words in enumerate(group.split("\n")):
                # The usual width of a letter, to keep neighbours apart.
                size = min(11, 0.94 * room / (0.57 * max(len(words), 1)))
                out.append(_text(left + room * 0.4, base + 16 + LINE * line,
                                 words, anchor="middle", size=f"{size:.1f}"))
            for s, (_, values, spans) in enumerate(self.series):
                if not values[g]:
                    continue
                x = left + wide * s
                out.append(f'<rect x="{x:.1f}" y="{at(values[g]):.1f}" width='
                           f'"{wide * 0.92:.1f}" height='
                           f'"{base - at(values[g]):.1f}"'
                           f' fill="{COLOURS[s + (g in self.ours)]}"/>')
                if spans[g]:
                    middle = x + wide * 0.46
                    out.append(f'<line x1="{middle:.1f}" x2="{middle:.1f}"'
                               f' y1="{at(spans[g][0]):.1f}"'
                               f' y2="{at(spans[g][1]):.1f}"'
                               ' stroke="#222"/>')
                if wide > 24:
                    out.append(_text(x + wide * 0.46,
                                     at(max(values[g], *(spans[g] or (0,)))
                                        ) - 4,
                                     f"{values[g]:.3g}" if values[g] < 100
                                     else f"{values[g]:.0f}",
                                     anchor="middle", size=10))
        return out


def _step(most):
    """A round distance between the lines of a grid."""
    rough = most / 5
    power = 10 ** math.floor(math.log10(rough))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= rough)


def _text(x, y, text, anchor="start", size=11, weight="normal", turn=False):
    turned = f' transform="rotate(-90 {x:.0f} {y:.0f})"' if turn else ""
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
            f' font-size="{size}" font-weight="{weight}"{turned}>'
            f'{escape(text)}</text>')


def svg(panels):
    height = sum(panel.height for panel in panels)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}"'
           f' height="{height}" font-family="sans-serif" fill="#222">',
           f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>']
    y = 0
    for panel in panels:
        out += panel.draw(y)
        y += panel.height
    return "\n".join(out + ["</svg>", ""])
