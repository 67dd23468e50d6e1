//! Resizing follows Pillow's rules, and the area rule is exact.

use anyhow::{Result, ensure};
use emberline_image::{
    ChannelOrder, Channels, DecodeOptions, Fit, Image, Layout, Preprocessing, Resize, SIDE_MAX, decode,
    resize,
};

use crate::goldens::{cases, distance, read};

/// Pillow and `fast_image_resize` round the weights of a convolution to different fixed points.
const CONVOLUTION_LEVELS_MAX: u8 = 1;
/// With alpha, each also rounds to 8 bits before and after the colours are multiplied by it.
const CONVOLUTION_ALPHA_LEVELS_MAX: u8 = 2;

#[test]
fn rules_agree_with_the_reference() -> Result<()> {
    let mut failures = Vec::new();
    for case in cases()?.resize.iter().filter(|case| case.rule != "crop") {
        let rule: Resize = case.rule.parse()?;
        let levels_max = match (rule, case.channels()) {
            (Resize::Area | Resize::Nearest, _) => 0,
            (_, Channels::Rgba) => CONVOLUTION_ALPHA_LEVELS_MAX,
            _ => CONVOLUTION_LEVELS_MAX,
        };
        let source = decode(&read(&case.file)?, &DecodeOptions::default())?;
        let (mut found, mut expected) = (resize(&source, case.width, case.height, rule)?, case.expected()?);
        if levels_max == CONVOLUTION_ALPHA_LEVELS_MAX {
            // The colour of what is hardly visible is hardly defined: what is compared is what can be seen.
            (found, expected) = (found.flatten([0; 3]), expected.flatten([0; 3]));
        }
        let levels = distance(&found, &expected)?;
        if levels > levels_max {
            failures.push(format!("{} {}x{} {rule}: off by {levels}", case.file, case.width, case.height));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

#[test]
fn a_centre_crop_sees_only_its_box() -> Result<()> {
    for case in cases()?.resize.iter().filter(|case| case.rule == "crop") {
        let preprocessing = Preprocessing {
            width: case.width,
            height: case.height,
            resize: Resize::Bilinear,
            fit: Fit::CropCenter { fraction: 0.8 },
            background: [255; 3],
            order: ChannelOrder::Rgb,
            layout: Layout::Nhwc,
            mean: [0.0; 3],
            std: [1.0; 3],
        };
        let source = decode(&read(&case.file)?, &DecodeOptions::default())?;
        let mut tensor = vec![0.0; preprocessing.tensor_len()];
        preprocessing.image_to_tensor(&source, &mut tensor)?;
        let pixels = tensor.iter().map(|&value| value as u8).collect();
        let found = Image::new(case.width, case.height, Channels::Rgb, pixels)?;
        ensure!(distance(&found, &case.expected()?)? <= CONVOLUTION_LEVELS_MAX);
    }
    Ok(())
}

#[test]
fn sides_have_a_limit() -> Result<()> {
    let pixel = Image::new(1, 1, Channels::Gray, vec![7])?;
    for rule in Resize::ALL {
        ensure!(resize(&pixel, 3, 2, rule)?.data() == [7; 6], "{rule}");
        for (width, height) in [(0, 1), (1, 0), (SIDE_MAX + 1, 1), (1, u32::MAX)] {
            ensure!(resize(&pixel, width, height, rule).is_err(), "{rule} to {width}x{height}");
        }
        ensure!(resize(&pixel, SIDE_MAX, 1, rule)?.data() == vec![7; SIDE_MAX as usize], "{rule}");
        let long = Image::new(SIDE_MAX, 1, Channels::Rgba, vec![255; SIDE_MAX as usize * 4])?;
        ensure!(resize(&long, 1, 1, rule)?.data() == [255; 4], "{rule}");
    }
    Ok(())
}

#[test]
fn names_are_the_same_in_text_and_in_json() -> Result<()> {
    for rule in Resize::ALL {
        ensure!(rule.to_string().parse::<Resize>()? == rule);
        let json = serde_json::to_string(&rule)?;
        ensure!(json == format!("\"{rule}\""));
        ensure!(serde_json::from_str::<Resize>(&json)? == rule);
    }
    let message = "lanczos".parse::<Resize>().err().map(|error| error.to_string());
    ensure!(message.is_some_and(|text| text.starts_with("resize is \"lanczos\", expected one of bilinear")));
    Ok(())
}
