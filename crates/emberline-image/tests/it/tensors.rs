//! One call from a file to a tensor gives the numbers of the single steps.

use anyhow::{Result, ensure};
use emberline_image::{
    ChannelOrder, DecodeOptions, Fit, ImageError, Layout, Preprocessing, Resize, Scratch, decode, resize,
};

use crate::goldens::{cases, read};

fn preprocessing() -> Preprocessing {
    Preprocessing {
        width: 9,
        height: 7,
        resize: Resize::Area,
        fit: Fit::Stretch,
        background: [10, 20, 30],
        order: ChannelOrder::Bgr,
        layout: Layout::Nchw,
        mean: [103.939, 116.779, 123.68],
        std: [1.0, 2.0, 3.0],
    }
}

#[test]
fn one_call_does_what_the_steps_do() -> Result<()> {
    // One scratch for all files in turn: nothing of one picture may show in the next.
    let mut scratch = Scratch::default();
    for (rule, layout) in
        Resize::ALL.into_iter().flat_map(|rule| [Layout::Nchw, Layout::Nhwc].map(|layout| (rule, layout)))
    {
        for case in cases()?.decode {
            let preprocessing = Preprocessing { resize: rule, layout, ..preprocessing() };
            let bytes = read(&case.file)?;
            let mut tensor = vec![f32::NAN; preprocessing.tensor_len()];
            preprocessing.bytes_to_tensor(&bytes, &DecodeOptions::default(), &mut scratch, &mut tensor)?;

            let image = decode(&bytes, &DecodeOptions::default())?;
            let mut from_image = vec![f32::NAN; preprocessing.tensor_len()];
            preprocessing.image_to_tensor(&image, &mut from_image)?;
            ensure!(tensor == from_image, "{} through an image, {rule}", case.file);

            let pixels = resize(&image.flatten([10, 20, 30]), 9, 7, rule)?.to_bgr();
            for (index, &pixel) in pixels.data().iter().enumerate() {
                let (place, channel) = (index / 3, index % 3);
                let expected = (f32::from(pixel) - preprocessing.mean[channel]) / preprocessing.std[channel];
                let found = match layout {
                    Layout::Nchw => tensor[channel * 63 + place],
                    Layout::Nhwc => tensor[index],
                };
                ensure!(found == expected, "{} at {index}: {found}, expected {expected}, {rule}", case.file);
            }
        }
    }
    Ok(())
}

/// Of a picture's middle, and without any resizing.
#[test]
fn one_call_crops_as_the_steps_do() -> Result<()> {
    let mut scratch = Scratch::default();
    for case in cases()?.decode {
        let bytes = read(&case.file)?;
        let image = decode(&bytes, &DecodeOptions::default())?;
        let own = Preprocessing { width: image.width(), height: image.height(), ..preprocessing() };
        let middle = Preprocessing { fit: Fit::CropCenter { fraction: 0.7 }, ..preprocessing() };
        for settings in [own, middle] {
            let preprocessing = Preprocessing { resize: Resize::Bilinear, ..settings };
            let mut tensor = vec![f32::NAN; preprocessing.tensor_len()];
            preprocessing.bytes_to_tensor(&bytes, &DecodeOptions::default(), &mut scratch, &mut tensor)?;
            let mut from_image = vec![f32::NAN; preprocessing.tensor_len()];
            preprocessing.image_to_tensor(&image, &mut from_image)?;
            ensure!(tensor == from_image, "{} by {preprocessing:?}", case.file);
        }
    }
    Ok(())
}

#[test]
fn bad_settings_are_named() -> Result<()> {
    let check = |preprocessing: Preprocessing, expected: &str| -> Result<()> {
        let found = preprocessing.validate().err().map(|error| error.to_string());
        ensure!(found.as_deref() == Some(expected), "{found:?}, expected {expected:?}");
        Ok(())
    };
    check(Preprocessing { width: 0, ..preprocessing() }, "width is 0, expected 1 to 65535 pixels")?;
    check(
        Preprocessing { std: [1.0, 0.0, 1.0], ..preprocessing() },
        "std is [1.0, 0.0, 1.0], expected three finite numbers other than 0",
    )?;
    let fit = Fit::CropCenter { fraction: 1.5 };
    check(Preprocessing { fit, ..preprocessing() }, "fraction is 1.5, expected above 0 and at most 1")?;

    let image = decode(&read("rgb.png")?, &DecodeOptions::default())?;
    let error = preprocessing().image_to_tensor(&image, &mut [0.0; 5]).err();
    ensure!(matches!(error, Some(ImageError::Length { expected: 189, found: 5, .. })), "{error:?}");
    Ok(())
}

#[test]
fn settings_survive_json() -> Result<()> {
    let fits = [Fit::Stretch, Fit::CropCenter { fraction: 0.875 }];
    for fit in fits {
        let settings = Preprocessing { fit, ..preprocessing() };
        let json = serde_json::to_string(&settings)?;
        ensure!(serde_json::from_str::<Preprocessing>(&json)? == settings, "{json}");
    }
    Ok(())
}
