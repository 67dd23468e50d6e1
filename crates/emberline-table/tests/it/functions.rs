//! Functions described, saved and rebuilt.

use std::sync::Arc;

use anyhow::Result;
use emberline_table::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float32Array, StringArray,
};
use emberline_table::arrow::datatypes::{DataType, Field, FieldRef, Int32Type};
use emberline_table::functions::{Class, DecodePredictions, ImageResize, ImageSide, PipelineFunction, Side};
use emberline_table::{ColumnFunction, FunctionKinds, Step, load_function, save_function};

use crate::pictures::png;

fn classes() -> Vec<Class> {
    ["cat", "dog", "owl"].map(|name| Class { class: name.into(), description: format!("a {name}") }).to_vec()
}

fn probabilities(rows: &[Option<[f32; 3]>]) -> Result<ArrayRef> {
    let values: Vec<f32> = rows.iter().flat_map(|row| row.unwrap_or_default()).collect();
    let valid: Vec<bool> = rows.iter().map(Option::is_some).collect();
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    Ok(Arc::new(FixedSizeListArray::try_new(
        item,
        3,
        Arc::new(Float32Array::from(values)),
        Some(valid.into()),
    )?))
}

#[test]
fn the_best_classes_come_first() -> Result<()> {
    let function = DecodePredictions::try_new(classes(), 2)?;
    let input = probabilities(&[Some([0.2, 0.2, 0.6]), None, Some([0.5, 0.5, 0.0])])?;
    let answer = function.evaluate(&[input])?.values;
    let list = answer.as_list::<i32>();
    let names = |row: usize| {
        let row = list.value(row);
        row.as_struct().column(0).as_string::<i32>().iter().flatten().map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(names(0), ["owl", "cat"]);
    assert!(list.is_null(1));
    assert_eq!(names(2), ["cat", "dog"], "equal probabilities in the order of the classes");
    Ok(())
}

#[test]
fn saved_functions_answer_the_same() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("function");
    let steps = vec![
        Step::new(Arc::new(ImageResize::default()), ["image", "w", "h"], ["small"]),
        Step::new(Arc::new(ImageSide::new(Side::Width)), ["small"], ["width"]),
    ];
    let inputs = ["image", "w", "h"].map(String::from).to_vec();
    let function = PipelineFunction::try_new(inputs, steps, "width".into())?;
    save_function(&function, &path)?;
    assert!(save_function(&function, &path).is_err(), "it exists");
    let loaded = load_function(&path, &FunctionKinds::built_in())?;
    assert_eq!(loaded.describe(), function.describe());
    let picture = dir.path().join("p.png");
    std::fs::write(&picture, png(4, 4, [1, 2, 3])?)?;
    let column = |text: String| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let number = |n: i32| -> ArrayRef { Arc::new(emberline_table::arrow::array::Int32Array::from(vec![n])) };
    let answer = loaded.evaluate(&[column(picture.display().to_string()), number(9), number(3)])?;
    assert_eq!(answer.values.as_primitive::<Int32Type>().value(0), 9);
    let broken = loaded.evaluate(&[column("/no/such.png".into()), number(9), number(3)])?;
    assert!(broken.values.is_null(0));
    assert_eq!(broken.errors.len(), 1);
    assert_eq!(broken.errors[0].origin.as_deref(), Some("/no/such.png"));
    Ok(())
}

#[test]
fn steps_are_one_function_of_what_they_read() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("function");
    let width = Arc::new(ImageSide::new(Side::Width));
    let steps = vec![
        Step::new(Arc::new(ImageResize::default()), ["image", "w", "h"], ["small"])
            .with_error(Some("why".into())),
        Step::new(width, ["small"], ["width"]),
    ];
    let function = PipelineFunction::of_steps(steps)?;
    save_function(&function, &path)?;
    let loaded = load_function(&path, &FunctionKinds::built_in())?;
    assert_eq!(loaded.describe(), function.describe());
    let fields = [("image", DataType::Utf8), ("w", DataType::Int32), ("h", DataType::Int32)]
        .map(|(name, data_type)| Arc::new(Field::new(name, data_type, true)));
    let DataType::Struct(made) = loaded.return_field(&fields)?.data_type().clone() else {
        anyhow::bail!("expected a struct");
    };
    assert_eq!(made.iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["small", "why", "width"]);

    let picture = dir.path().join("p.png");
    std::fs::write(&picture, png(4, 4, [1, 2, 3])?)?;
    let pictures = StringArray::from(vec![picture.display().to_string(), "/no/such.png".into()]);
    let number = |n: i32| Arc::new(emberline_table::arrow::array::Int32Array::from(vec![n; 2]));
    let answer = loaded.evaluate(&[Arc::new(pictures), number(9), number(3)])?.values;
    let columns = answer.as_struct();
    assert!(answer.data_type().equals_datatype(&DataType::Struct(made)));
    assert_eq!(columns.column(2).as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(9), None]);
    let reasons = columns.column(1).as_string::<i32>();
    assert!(reasons.is_null(0) && reasons.value(1).contains("No such file"), "{reasons:?}");
    assert!(PipelineFunction::of_steps(Vec::new()).is_err());
    Ok(())
}

#[test]
fn damaged_functions_are_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("function");
    save_function(&DecodePredictions::try_new(classes(), 2)?, &path)?;
    let file = path.join("function.json");
    let good = std::fs::read(&file)?;
    let before = load_function(&path, &FunctionKinds::built_in())?.describe();
    for i in 0..good.len() {
        let mut bad = good.clone();
        bad[i] ^= 0x15;
        std::fs::write(&file, &bad)?;
        // A changed byte that changes nothing (white space) may pass; a changed meaning may not.
        if let Ok(function) = load_function(&path, &FunctionKinds::built_in()) {
            assert_eq!(function.describe(), before, "byte {i}");
        }
    }
    Ok(())
}

#[test]
fn arguments_are_checked_by_name() -> Result<()> {
    let field: FieldRef = Arc::new(Field::new("age", DataType::Int64, true));
    let error =
        ImageSide::new(Side::Width).return_field(&[field]).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(
        error.starts_with("image_width: column `age` has type Int64, expected an image struct"),
        "{error}"
    );
    let error = PipelineFunction::try_new(vec!["a".into()], vec![], "b".into()).err().map(|e| e.to_string());
    assert!(error.unwrap_or_default().contains("no step gives the column `b`"));
    Ok(())
}
