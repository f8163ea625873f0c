"""Small drawings of directed graphs, as SVG that stands in the cell of a table."""

from __future__ import annotations

from itertools import chain

R, STEP = 9, 34  # radius of a node, distance of two


def draw_graph(edges: str) -> str:
    """Drawing of `edges` such as ``"z₁→z₂, z₂→x₂"``: latents in a row, each x below its parent and gray.

    A text without an arrow is a single variable.
    """
    pairs = [edge.strip().split("→") for edge in edges.split(",")]
    nodes = list(dict.fromkeys(chain.from_iterable(pairs)))
    latent = [node for node in nodes if not node.startswith("x")]
    place = {node: (k, 0) for k, node in enumerate(latent)}
    parent = {pair[-1]: pair[0] for pair in pairs if len(pair) == 2}
    for node in nodes:
        if node not in place:
            place[node] = (place[parent[node]][0], 1) if node in parent else (0, 0)
    shapes = [_arrow(place[pair[0]], place[pair[1]]) for pair in pairs if len(pair) == 2]
    shapes += [_circle(node, *place[node]) for node in nodes]
    width, height = (STEP * max(at[axis] for at in place.values()) + 2 * R + 4 for axis in (0, 1))
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg role="img" aria-label="graph {edges}" {size}>{"".join(shapes)}</svg>'


def _circle(node: str, column: int, row: int) -> str:
    x, y = _center(column), _center(row)
    fill = "#ccc" if node.startswith("x") else "#fff"
    circle = f'<circle cx="{x}" cy="{y}" r="{R}" fill="{fill}" stroke="#333"/>'
    return f'{circle}<text x="{x}" y="{y + 3}" font-size="10" text-anchor="middle" fill="#000">{node}</text>'


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    (x1, y1), (x2, y2) = (tuple(map(_center, at)) for at in (start, end))
    right, down = (x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)
    tip = (x2 - R * right, y2 - R * down)
    wings = [(tip[0] - 5 * right + 3 * s * down, tip[1] - 5 * down + 3 * s * right) for s in (1, -1)]
    points = " ".join(f"{x},{y}" for x, y in [tip, *wings])
    line = f'<line x1="{x1}" y1="{y1}" x2="{tip[0]}" y2="{tip[1]}" stroke="#333"/>'
    return f'{line}<polygon points="{points}" fill="#333"/>'


def _center(position: int) -> int:
    return STEP * position + R + 2
