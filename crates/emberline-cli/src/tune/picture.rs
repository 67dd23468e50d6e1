//! The metric against a param, one line for each combination of the others, as SVG.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

const SIZE: (u32, u32) = (900, 560);
/// Colours that are told apart by most eyes (Okabe and Ito, 2008).
pub(crate) const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// What is drawn.
pub(super) struct Picture {
    /// The metric's name.
    pub(super) metric: String,
    /// The param on the horizontal axis.
    pub(super) param: String,
    pub(super) is_log: bool,
    /// By line: its points as value, mean and standard deviation.
    pub(super) lines: BTreeMap<String, Vec<(f64, f64, f64)>>,
}

impl Picture {
    /// Writes the picture.
    pub(super) fn draw(&self, path: &Path) -> Result<()> {
        let failed = |e: String| anyhow!("writing {}: {e}", path.display());
        let points = || self.lines.values().flatten();
        let range = |low: f64, high: f64| if low < high { low..high } else { low - 0.5..high + 0.5 };
        let fold = |f: fn(f64, f64) -> f64, start: f64, value: &dyn Fn(&(f64, f64, f64)) -> f64| {
            points().map(value).fold(start, f)
        };
        // A logarithmic axis is drawn as an even one of logarithms, with labels to match.
        let place = |x: f64| if self.is_log { x.log10() } else { x };
        let x = range(
            fold(f64::min, f64::INFINITY, &|p| place(p.0)),
            fold(f64::max, f64::NEG_INFINITY, &|p| place(p.0)),
        );
        let y = range(
            fold(f64::min, f64::INFINITY, &|p| p.1 - p.2),
            fold(f64::max, f64::NEG_INFINITY, &|p| p.1 + p.2),
        );
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            area.fill(&WHITE).map_err(|e| failed(e.to_string()))?;
            let title =
                format!("{} by {} (mean and standard deviation over the folds)", self.metric, self.param);
            let mut chart = ChartBuilder::on(&area)
                .caption(title, ("sans-serif", 20))
                .margin(16)
                .x_label_area_size(48)
                .y_label_area_size(64)
                .build_cartesian_2d(x, y)
                .map_err(|e| failed(e.to_string()))?;
            let is_log = self.is_log;
            let label = move |x: &f64| short(if is_log { 10_f64.powf(*x) } else { *x });
            chart
                .configure_mesh()
                .x_desc(&self.param)
                .y_desc(&self.metric)
                .x_label_formatter(&label)
                .light_line_style(TRANSPARENT)
                .draw()
                .map_err(|e| failed(e.to_string()))?;
            for (i, (name, points)) in self.lines.iter().enumerate() {
                let colour = COLOURS[i % COLOURS.len()];
                let line: Vec<(f64, f64)> = points.iter().map(|(x, mean, _)| (place(*x), *mean)).collect();
                let bars = points.iter().map(|(x, mean, std)| {
                    PathElement::new(vec![(place(*x), mean - std), (place(*x), mean + std)], colour.mix(0.5))
                });
                chart.draw_series(bars).map_err(|e| failed(e.to_string()))?;
                let dots = line.iter().map(|point| Circle::new(*point, 3, colour.filled()));
                chart.draw_series(dots).map_err(|e| failed(e.to_string()))?;
                chart
                    .draw_series(LineSeries::new(line.clone(), colour.stroke_width(2)))
                    .map_err(|e| failed(e.to_string()))?
                    .label(name)
                    .legend(move |(x, y)| {
                        PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2))
                    });
            }
            chart
                .configure_series_labels()
                .background_style(WHITE.mix(0.85))
                .border_style(BLACK.mix(0.3))
                .position(SeriesLabelPosition::LowerLeft)
                .label_font(("sans-serif", 14))
                .draw()
                .map_err(|e| failed(e.to_string()))?;
            area.present().map_err(|e| failed(e.to_string()))?;
        }
        std::fs::write(path, svg).map_err(|e| failed(e.to_string()))
    }
}

/// A number in few characters.
fn short(number: f64) -> String {
    match number.abs() {
        0.0 | 0.01..10_000.0 => ((number * 1e4).round() / 1e4).to_string(),
        _ => format!("{number:.0e}"),
    }
}
