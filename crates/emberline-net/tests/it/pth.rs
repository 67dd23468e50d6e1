//! PyTorch's files: values, refusals, limits, and damage.

use anyhow::{Context, Result, ensure};
use emberline_net::pth::{Limits, parse_state_dict};

const ZIP: &[u8] = include_bytes!("../fixtures/small_zip.pth");
const LEGACY: &[u8] = include_bytes!("../fixtures/small_legacy.pth");

#[test]
fn both_containers_hold_what_pytorch_says() -> Result<()> {
    let expected = include_str!("../fixtures/small_values.txt");
    for bytes in [ZIP, LEGACY] {
        let state = parse_state_dict(bytes, &Limits::default())?;
        ensure!(state.len() == expected.lines().count());
        for line in expected.lines() {
            let mut parts = line.split('|');
            let mut part = || parts.next().context("a part is missing");
            let (name, shape, values) = (part()?, part()?, part()?);
            let tensor = state.get(name).with_context(|| format!("{name} is missing"))?;
            let shape = shape.split('x').filter(|size| !size.is_empty()).map(str::parse);
            ensure!(
                tensor.shape() == shape.collect::<Result<Vec<usize>, _>>()?,
                "{name}: {:?}",
                tensor.shape()
            );
            let values = values.split_whitespace().map(str::parse);
            ensure!(tensor.data() == values.collect::<Result<Vec<f32>, _>>()?, "{name}: {:?}", tensor.data());
        }
    }
    Ok(())
}

#[test]
fn anything_but_tensors_is_refused() -> Result<()> {
    let check = |bytes: &[u8], expected: &str| -> Result<()> {
        let message = parse_state_dict(bytes, &Limits::default()).err().context("was read")?.to_string();
        ensure!(message.contains(expected), "{message}");
        Ok(())
    };
    check(include_bytes!("../fixtures/refused.pth"), "it calls `__builtin__.eval`, which is refused")?;
    check(b"", "neither a zip archive nor an older torch.save file")?;
    check(b"PK\x03\x04 and no more", "the zip archive can't be read")?;
    check(&LEGACY[..LEGACY.len() - 1], "it ends within storage")
}

#[test]
fn limits_are_named() -> Result<()> {
    let check = |limits: Limits, name: &str| -> Result<()> {
        for bytes in [ZIP, LEGACY] {
            let message = parse_state_dict(bytes, &limits).err().context("was read")?.to_string();
            ensure!(message.contains(&format!("{name} is limited to 5")), "{message}");
        }
        Ok(())
    };
    check(Limits { file_bytes: 5, ..Limits::default() }, "file_bytes")?;
    check(Limits { tensors: 5, ..Limits::default() }, "tensors")?;
    check(Limits { elements: 5, ..Limits::default() }, "elements")?;
    check(Limits { pickle_steps: 5, ..Limits::default() }, "pickle_steps")
}

/// Damaged files give errors or other numbers, never a panic, and never more than the limits allow.
#[test]
fn damage_never_panics() -> Result<()> {
    let limits = Limits { elements: 1000, tensors: 100, pickle_steps: 10_000, ..Limits::default() };
    let mut state = 1_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for bytes in [ZIP, LEGACY] {
        for end in 0..bytes.len() {
            drop(parse_state_dict(&bytes[..end], &limits));
        }
        for _ in 0..20_000 {
            let mut damaged = bytes.to_vec();
            for _ in 0..=random(4) {
                let at = random(damaged.len());
                damaged[at] = u8::try_from(random(256))?;
            }
            if let Ok(state) = parse_state_dict(&damaged, &limits) {
                let elements: usize = state.values().map(|tensor| tensor.data().len()).sum();
                ensure!(elements <= 1000 && state.len() <= 100);
            }
        }
    }
    Ok(())
}
