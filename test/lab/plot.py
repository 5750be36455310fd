#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Draws crossings per byte as a picture: test/lab/plot.py RESULTS.json PICTURE.svg

For each workload a bar for nginx and one for millrace, stacked by the stops where bytes crossed.
RESULTS is crossings.json of test_locality.py; more than one machine in it makes a row for each.
"""
import json
import sys
from pathlib import Path

STOPS = {"disk": ("disk to memory", "#4e79a7"), "read": ("memory to CPU", "#f28e2b"),
         "write": ("CPU to memory", "#b07aa1"), "nic": ("memory to NIC", "#e15759")}
TITLES = {"hot-http": ("hot set", "HTTP"), "hot-ktls": ("hot set", "kernel TLS"),
          "cold-http": ("cold set", "HTTP"), "cold-ktls": ("cold set", "kernel TLS")}
MACHINES = {"numa2": "two nodes", "numa4": "four nodes"}
SERVERS = ("nginx", "millrace")
WIDTH, ROW, LEFT, TOP = 760, 330, 56, 74
BAR, GAP, HEIGHT = 56, 14, 200  # of a bar, between two, of the tallest


class Picture:
    def __init__(self, rows):
        self.height = TOP + ROW * rows
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" '
            f'width="{WIDTH}" height="{self.height}" font-family="sans-serif" font-size="13">',
            f'<rect width="{WIDTH}" height="{self.height}" fill="white"/>']

    def text(self, x, y, words, anchor="middle", **more):
        attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{attributes}>'
                          f'{words}</text>')

    def box(self, x, y, width, height, colour, title):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
                          f'height="{height:.1f}" fill="{colour}"><title>{title}</title></rect>')

    def line(self, y, colour):
        self.parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" '
                          f'stroke="{colour}"/>')

    def save(self, path):
        Path(path).write_text("\n".join([*self.parts, "</svg>", ""]))


def legend(picture):
    picture.text(LEFT, 26, "NUMA crossings per byte served", "start", font_size=17,
                 font_weight="bold")
    x = LEFT
    for words, colour in STOPS.values():
        picture.box(x, 42, 12, 12, colour, words)
        picture.text(x + 18, 53, words, "start")
        x += 30 + 7.5 * len(words)


def axis(picture, base, scale, tallest):
    step = 0.25 if tallest <= 1.5 else 0.5
    for number in range(int(tallest / step + 1e-9) + 1):
        y = base - number * step * scale
        picture.line(y, "#333" if number == 0 else "#ddd")
        picture.text(LEFT - 8, y + 4, f"{number * step:g}", "end")


def bar(picture, x, base, scale, row):
    y = base
    for stop, (words, colour) in STOPS.items():
        height = row[stop] * scale
        if height > 0:
            y -= height
            picture.box(x, y, BAR, height, colour, f"{row['server']}, {words}: {row[stop]:.3f}")
    picture.text(x + BAR / 2, y - 6, f"{row['total']:.2f}", font_weight="bold")
    picture.text(x + BAR / 2, base + 17, row["server"])


def chart(picture, rows, top, tallest):
    base, scale = top + 20 + HEIGHT, HEIGHT / tallest
    picture.text(WIDTH - 20, top + 8, MACHINES.get(rows[0]["machine"], rows[0]["machine"]), "end",
                 font_style="italic")
    axis(picture, base, scale, tallest)
    kinds = [kind for kind in TITLES if any(row["workload"] == kind for row in rows)]
    pitch = (WIDTH - 20 - LEFT) / max(1, len(kinds))
    for number, kind in enumerate(kinds):
        here = {row["server"]: row for row in rows if row["workload"] == kind}
        x = LEFT + pitch * (number + 0.5) - BAR - GAP / 2
        for server in SERVERS:
            if server in here:
                bar(picture, x, base, scale, here[server])
            x += BAR + GAP
        for line, words in enumerate(TITLES[kind]):
            picture.text(LEFT + pitch * (number + 0.5), base + 38 + 17 * line, words, fill="#555")


def main():
    source, target = sys.argv[1:]
    rows = json.loads(Path(source).read_text())
    machines = sorted({row["machine"] for row in rows})
    picture = Picture(len(machines))
    legend(picture)
    tallest = max(1.0, -(-max(row["total"] for row in rows) // 0.25) * 0.25)
    for number, machine in enumerate(machines):
        chart(picture, [row for row in rows if row["machine"] == machine], TOP + ROW * number,
              tallest)
    picture.save(target)


if __name__ == "__main__":
    main()
