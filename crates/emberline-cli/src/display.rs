//! Values of Arrow columns, for people and as JSON.
//!
//! | value | for people | as JSON |
//! |---|---|---|
//! | image | `image(640×480×3, dog.jpg)` | `{"origin", "width", "height", "nChannels"}` |
//! | bytes | `12,345 bytes` | `{"bytes": 12345}` |
//! | answer of a model | `dog 0.93, cat 0.04` | all of it |
//! | vector | `[0.12, 0.5, 1.7, … 1,280 numbers]` | all of it |

use anyhow::Result;
use emberline::arrow::array::{Array, ArrayRef, AsArray};
use emberline::arrow::datatypes::DataType;
use emberline::arrow::util::display::{ArrayFormatter, FormatOptions};
use emberline::{ImageColumn, arrow};
use serde_json::{Map, Value, json};

use crate::output::{printable, thousands};

/// How many items of a list are shown.
const ITEMS_SHOWN: usize = 3;

/// The value of a row, for people.
pub(crate) fn text(array: &ArrayRef, row: usize) -> Result<String> {
    if array.is_null(row) {
        return Ok("null".into());
    }
    match array.data_type() {
        DataType::Struct(_) => struct_text(array, row),
        data_type if is_list(data_type) => list_text(&items(array, row)?),
        data_type if is_bytes(data_type) => Ok(format!("{} bytes", thousands(bytes_len(array, row)?))),
        _ => Ok(printable(&formatted(array, row)?)),
    }
}

/// The value of a row as JSON. Numbers that JSON has not got, such as NaN, are null.
pub(crate) fn json(array: &ArrayRef, row: usize) -> Result<Value> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Struct(_) => struct_json(array, row)?,
        data_type if is_list(data_type) => {
            let items = items(array, row)?;
            (0..items.len()).map(|i| json(&items, i)).collect::<Result<_>>()?
        }
        data_type if is_bytes(data_type) => json!({ "bytes": bytes_len(array, row)? }),
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        // The shortest text that means a number is what JSON should say, also of one in single precision.
        data_type if data_type.is_integer() || data_type.is_floating() => {
            serde_json::from_str(&formatted(array, row)?).unwrap_or(Value::Null)
        }
        _ => Value::String(formatted(array, row)?),
    })
}

/// `image(640×480×3, dog.jpg)`, `dog 0.93, cat 0.04`, or `{a: 1, b: x}`.
fn struct_text(array: &ArrayRef, row: usize) -> Result<String> {
    if let Some(image) = ImageColumn::try_new(array).as_ref().and_then(|images| images.get(row)) {
        let size = format!("{}×{}×{}", image.width, image.height, image.channels);
        let origin = array.as_struct().column(0);
        if origin.is_null(row) {
            return Ok(format!("image({size})"));
        }
        let origin = text(origin, row)?;
        return Ok(format!("image({size}, {})", origin.rsplit('/').next().unwrap_or_default()));
    }
    let columns = array.as_struct();
    if let Some(probabilities) = columns.column_by_name("probabilities") {
        return text(probabilities, row);
    }
    let name = columns.column_by_name("label").or(columns.column_by_name("description"));
    if let (Some(name), Some(probability)) = (name, columns.column_by_name("probability")) {
        return Ok(format!("{} {}", text(name, row)?, probability_text(probability, row)?));
    }
    let field = |(name, column): (&str, &ArrayRef)| Ok(format!("{name}: {}", text(column, row)?));
    let fields =
        columns.column_names().into_iter().zip(columns.columns()).map(field).collect::<Result<Vec<_>>>()?;
    Ok(format!("{{{}}}", fields.join(", ")))
}

/// Two digits, as nobody reads more.
fn probability_text(array: &ArrayRef, row: usize) -> Result<String> {
    let text = formatted(array, row)?;
    Ok(text.parse::<f64>().map_or(text, |number| format!("{number:.2}")))
}

fn list_text(items: &ArrayRef) -> Result<String> {
    let are_numbers = items.data_type().is_numeric();
    let shown = ITEMS_SHOWN.min(items.len());
    let mut texts = (0..shown).map(|i| text(items, i)).collect::<Result<Vec<_>>>()?;
    let more = items.len() > shown;
    if more && are_numbers {
        texts.push(format!("… {} numbers", thousands(items.len() as u64)));
    } else if more {
        texts.push("…".into());
    }
    let joined = texts.join(", ");
    // The classes of a prediction read better as they are.
    Ok(if matches!(items.data_type(), DataType::Struct(_)) { joined } else { format!("[{joined}]") })
}

fn struct_json(array: &ArrayRef, row: usize) -> Result<Value> {
    let is_image = ImageColumn::try_new(array).is_some();
    let columns = array.as_struct();
    let mut object = Map::new();
    for (name, column) in columns.column_names().into_iter().zip(columns.columns()) {
        if !(is_image && matches!(name, "data" | "mode")) {
            object.insert(name.into(), json(column, row)?);
        }
    }
    Ok(Value::Object(object))
}

fn is_list(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))
}

/// The items of a list.
fn items(array: &ArrayRef, row: usize) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::FixedSizeList(..) => array.as_fixed_size_list().value(row),
        DataType::LargeList(_) => array.as_list::<i64>().value(row),
        _ => array.as_list::<i32>().value(row),
    })
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
    )
}

fn bytes_len(array: &ArrayRef, row: usize) -> Result<u64> {
    let one = arrow::compute::cast(&array.slice(row, 1), &DataType::LargeBinary)?;
    Ok(one.as_binary::<i64>().value(0).len() as u64)
}

fn formatted(array: &ArrayRef, row: usize) -> Result<String> {
    let options = FormatOptions::default();
    Ok(ArrayFormatter::try_new(array, &options)?.value(row).try_to_string()?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use emberline::ImageBuilder;
    use emberline::arrow::array::{
        BinaryArray, Float32Array, Int64Array, ListArray, StringArray, StructArray,
    };
    use emberline::arrow::buffer::OffsetBuffer;
    use emberline::arrow::datatypes::Field;
    use emberline::image::{Channels, Image};

    use super::*;

    fn check(array: ArrayRef, expected_text: &str, expected_json: Value) {
        assert_eq!(text(&array, 0).unwrap(), expected_text);
        assert_eq!(json(&array, 0).unwrap(), expected_json);
    }

    fn list(items: ArrayRef) -> ArrayRef {
        let field = Field::new("item", items.data_type().clone(), true);
        let offsets = OffsetBuffer::from_lengths([items.len()]);
        Arc::new(ListArray::new(Arc::new(field), offsets, items, None))
    }

    #[test]
    fn values_are_short_for_people_and_whole_as_json() {
        check(Arc::new(Int64Array::from(vec![12_345])), "12345", json!(12_345));
        check(Arc::new(Float32Array::from(vec![0.1])), "0.1", json!(0.1));
        check(Arc::new(Float32Array::from(vec![f32::NAN])), "NaN", Value::Null);
        check(Arc::new(StringArray::from(vec![None::<&str>])), "null", Value::Null);
        check(Arc::new(StringArray::from(vec!["a\u{1b}b"])), "a\u{fffd}b", json!("a\u{1b}b"));
        check(Arc::new(BinaryArray::from(vec![&[0_u8; 1_000][..]])), "1,000 bytes", json!({"bytes": 1_000}));
        let numbers = list(Arc::new(Float32Array::from(vec![0.5; 4])));
        check(numbers, "[0.5, 0.5, 0.5, … 4 numbers]", json!([0.5, 0.5, 0.5, 0.5]));
    }

    #[test]
    fn images_are_named_and_not_printed() {
        let mut images = ImageBuilder::new();
        images.append(Some("/photos/dog.jpg"), Image::new(2, 1, Channels::Rgb, vec![0; 6]).unwrap());
        let expected = json!({"origin": "/photos/dog.jpg", "width": 2, "height": 1, "nChannels": 3});
        check(images.finish(), "image(2×1×3, dog.jpg)", expected);
    }

    #[test]
    fn answers_are_labels_with_probabilities() {
        let label = Arc::new(Field::new("label", DataType::Utf8, false));
        let probability = Arc::new(Field::new("probability", DataType::Float32, false));
        let ranked: ArrayRef = Arc::new(StructArray::from(vec![
            (label, Arc::new(StringArray::from(vec!["dog", "cat"])) as ArrayRef),
            (probability, Arc::new(Float32Array::from(vec![0.926, 0.044]))),
        ]));
        let expected =
            json!([{"label": "dog", "probability": 0.926}, {"label": "cat", "probability": 0.044}]);
        check(list(ranked), "dog 0.93, cat 0.04", expected);
    }
}
