//! Loss and metrics against the epochs, as SVG: losses above, metrics below.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, anyhow};
use emberline::ml::Epoch;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::tune::COLOURS;

const SIZE: (u32, u32) = (900, 720);

/// Draws the history of a training.
pub(super) fn draw(history: &[Epoch], path: &Path) -> Result<()> {
    let mut lines: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for epoch in history {
        for (name, value) in epoch.values.iter().filter(|(_, value)| value.is_finite()) {
            lines.entry(name).or_default().push((epoch.epoch as f64, *value));
        }
    }
    let is_loss = |name: &str| name == "loss" || name == "val_loss";
    let (losses, metrics): (Vec<_>, Vec<_>) = lines.into_iter().partition(|(name, _)| is_loss(name));
    let mut svg = String::new();
    let mut drawn = || -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let panels = match metrics.is_empty() {
            true => vec![area.clone()],
            false => area.split_evenly((2, 1)),
        };
        for (panel, (name, lines)) in panels.iter().zip([("loss", &losses), ("metrics", &metrics)]) {
            panel_of(panel, name, lines)?;
        }
        area.present()?;
        Ok(())
    };
    drawn().map_err(|error| anyhow!("writing {}: {error}", path.display()))?;
    std::fs::write(path, svg).map_err(|error| anyhow!("writing {}: {error}", path.display()))
}

/// A line's name and its points.
type Line<'a> = (&'a str, Vec<(f64, f64)>);

fn panel_of(
    panel: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    lines: &[Line<'_>],
) -> Result<(), Box<dyn std::error::Error>> {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let range = |of: fn(&(f64, f64)) -> f64| {
        let (low, high) = points()
            .map(of)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low < high { low..high } else { low - 0.5..high + 0.5 }
    };
    let mut chart = ChartBuilder::on(panel)
        .caption(title, ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(range(|point| point.0), range(|point| point.1))?;
    chart.configure_mesh().x_desc("epoch").light_line_style(TRANSPARENT).draw()?;
    for (i, (name, points)) in lines.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .position(SeriesLabelPosition::UpperRight)
        .label_font(("sans-serif", 14))
        .draw()?;
    Ok(())
}
