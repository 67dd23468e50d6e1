"""Tables in notebooks: the first rows, images as thumbnails."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Any

from emberline.column import quoted
from emberline.dataframe import _told, is_image
from emberline.row import Row

if TYPE_CHECKING:
    from emberline.dataframe import DataFrame

#: What is shown, so that a notebook stays small whatever the table is.
ROWS, COLUMNS, PIXELS, CHARACTERS = 10, 30, 96, 200


def table_html(df: DataFrame) -> str:
    """The first rows of a table. Texts are escaped; images are thumbnails, or why there are none."""
    schema = df.schema
    names = schema.names[:COLUMNS]
    shown = [_thumbnail(name) if is_image(schema.field(name).type) else quoted(name) for name in names]
    rows = df.selectExpr(*shown).take(ROWS + 1)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows[:ROWS])
    notes = [f"only the first {ROWS} rows are shown"] if len(rows) > ROWS else []
    if len(schema.names) > COLUMNS:
        notes.append(f"only {COLUMNS} of {len(schema.names)} columns are shown")
    note = f"<p>{'; '.join(notes)}</p>" if notes else ""
    return f"<div><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}</div>"


def _thumbnail(name: str) -> str:
    """SQL of an image's PNG, its longer side of `PIXELS` pixels."""
    image = quoted(name)
    longer = f"greatest({image}['width'], {image}['height'])"
    sides = (f"greatest(1, {image}['{side}'] * {PIXELS} / {longer})" for side in ("width", "height"))
    return f"named_struct('png', image_encode(image_resize({image}, {', '.join(sides)}, 'area'), 'png')) AS {image}"


def _cell(value: Any) -> str:
    if isinstance(value, Row) and value._fields == ("png",):
        if value.png is None:
            return "<em>no image</em>"
        return f'<img src="data:image/png;base64,{base64.b64encode(value.png).decode()}">'
    if isinstance(value, Row) and {"label", "probability"} <= set(value._fields) and value.probability is not None:
        return f"{html.escape(_cut(str(value.label)))} <small>{value.probability:.1%}</small>"
    return "" if value is None else html.escape(_cut(_told(value)))


def _cut(text: str) -> str:
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 3] + "..."
