"""Tables in notebooks: the first rows, images as thumbnails, predictions by name."""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING, Any

from emberline._lazy import pa
from emberline.column import quoted
from emberline.dataframe import _told, is_image
from emberline.row import Row

if TYPE_CHECKING:
    from emberline.dataframe import DataFrame

#: What is shown, so that a notebook stays small whatever the table is.
ROWS, COLUMNS, PIXELS, CHARACTERS, GUESSES = 10, 30, 96, 200, 5

#: Cells of text break where they must; thumbnails keep their size.
_TABLE = '<table style="text-align: left">'
_CELL = '<td style="text-align: left; max-width: 24em; overflow-wrap: anywhere">'


def table_html(df: DataFrame) -> str:
    """The first rows of a table. Texts are escaped; images are thumbnails, or why there are none."""
    schema = df.schema
    names = schema.names[:COLUMNS]
    shown = [_thumbnail(name) if is_image(schema.field(name).type) else quoted(name) for name in names]
    rows = df.selectExpr(*shown).take(ROWS + 1)
    classes = [class_names(schema.field(name)) for name in names]
    head = "".join(f'<th style="text-align: left">{html.escape(name)}</th>' for name in names)
    body = "".join(
        f"<tr>{''.join(f'{_CELL}{_cell(value, known)}</td>' for value, known in zip(row, classes))}</tr>"
        for row in rows[:ROWS]
    )
    notes = [f"only the first {ROWS} rows are shown"] if len(rows) > ROWS else []
    if len(schema.names) > COLUMNS:
        notes.append(f"only {COLUMNS} of {len(schema.names)} columns are shown")
    note = f"<p><small>{'; '.join(notes)}</small></p>" if notes else ""
    return f"<div>{_TABLE}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}</div>"


def pairs_html(pairs: list[tuple[str, str]]) -> str:
    """Names and what they are, a row each."""
    rows = "".join(
        f'<tr><th style="text-align: left">{html.escape(name)}</th>{_CELL}{html.escape(_cut(text))}</td></tr>'
        for name, text in pairs
    )
    return f"<div>{_TABLE}<tbody>{rows}</tbody></table></div>"


def class_names(field: pa.Field) -> list[str]:
    """The names of a column's classes, which indexers and classifiers leave with it; none where they did not."""
    return json.loads((field.metadata or {}).get(b"ml_attr", b"{}")).get("vals", [])


def _thumbnail(name: str) -> str:
    """SQL of a file of an image, its longer side of `PIXELS` pixels: a JPEG, or a PNG of one with an alpha channel."""
    image = quoted(name)
    longer = f"greatest({image}['width'], {image}['height'])"
    sides = (f"greatest(1, {image}['{side}'] * {PIXELS} / {longer})" for side in ("width", "height"))
    small = f"image_resize({image}, {', '.join(sides)}, 'area')"
    kind = f"CASE WHEN {image}['nChannels'] = 4 THEN 'png' ELSE 'jpeg' END"
    return f"named_struct('thumbnail', image_encode({small}, {kind})) AS {image}"


def _cell(value: Any, classes: list[str]) -> str:
    if isinstance(value, Row) and value._fields == ("thumbnail",):
        if value.thumbnail is None:
            return "<em>no image</em>"
        kind = "png" if value.thumbnail.startswith(b"\x89PNG") else "jpeg"
        return f'<img src="data:image/{kind};base64,{base64.b64encode(value.thumbnail).decode()}">'
    if isinstance(value, list) and value and all(map(_is_guess, value)):
        return "<br>".join(map(_guess, value[:GUESSES]))
    if _is_guess(value):
        return _guess(value)
    if isinstance(value, float) and value.is_integer() and 0 <= value < len(classes):
        return f"{html.escape(_cut(classes[int(value)]))} <small>({value:.0f})</small>"
    return "" if value is None else html.escape(_cut(_told(value)))


def _is_guess(value: Any) -> bool:
    """Whether it is what a network or a classifier answers: a label, or a class of ImageNet, with its probability."""
    if not isinstance(value, Row) or "probability" not in value._fields or value.probability is None:
        return False
    return "label" in value._fields or "description" in value._fields


def _guess(value: Row) -> str:
    name = value.label if "label" in value._fields else value.description
    return f"{html.escape(_cut(str(name)))} <small>{value.probability:.1%}</small>"


def _cut(text: str) -> str:
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 3] + "..."
