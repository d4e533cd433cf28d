//! Curves of a run's log as SVG.

use std::ops::Range;

use plotters::prelude::*;

use crate::run::LogRecord;
use crate::{Result, TrainError};

/// Width and height in pixels.
const SIZE: (u32, u32) = (800, 400);

/// One line of a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Which value of the log, such as `loss` or `validation/loss`.
    pub key: String,
    /// Its name in the legend.
    pub label: String,
    /// Share of the running mean that each record keeps, in [0, 1); 0 draws the values as they are.
    pub smoothing: f64,
}

/// Draws values of a log over the pictures seen.
///
/// # Errors
/// [`TrainError::Plot`] for a value that the log does not hold at two or more steps.
pub fn curves_svg(records: &[LogRecord], title: &str, curves: &[Curve]) -> Result<String> {
    let lines = curves.iter().map(|curve| points(records, curve)).collect::<Result<Vec<_>>>()?;
    let all = || lines.iter().flatten();
    let x = span(all().map(|point| point.0));
    let y = span(all().map(|point| point.1));
    let mut svg = String::new();
    draw(&mut svg, title, curves, &lines, [x, y])
        .map_err(|reason| TrainError::Plot { key: title.to_owned(), reason })?;
    Ok(svg)
}

/// Pictures seen, in thousands, and the smoothed value.
fn points(records: &[LogRecord], curve: &Curve) -> Result<Vec<(f64, f64)>> {
    let mut mean = None;
    let points: Vec<(f64, f64)> = records
        .iter()
        .filter_map(|record| Some((record.n_images, *record.values.get(&curve.key)?)))
        .map(|(n_images, value)| {
            let smooth = mean.map_or(value, |mean| curve.smoothing * mean + (1.0 - curve.smoothing) * value);
            mean = Some(smooth);
            (n_images as f64 / 1000.0, smooth)
        })
        .collect();
    if points.len() < 2 {
        let reason =
            format!("the log holds {} of the 2 values that a line needs; train longer", points.len());
        return Err(TrainError::Plot { key: curve.key.clone(), reason });
    }
    Ok(points)
}

/// The values' range with a margin, never empty.
fn span(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let margin = (0.04 * (high - low)).max(1e-6 * (1.0 + low.abs()));
    low - margin..high + margin
}

fn draw(
    svg: &mut String,
    title: &str,
    curves: &[Curve],
    lines: &[Vec<(f64, f64)>],
    [x, y]: [Range<f64>; 2],
) -> Result<(), String> {
    let text = |error: DrawingAreaErrorKind<_>| error.to_string();
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(text)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(x, y)
        .map_err(text)?;
    chart.configure_mesh().x_desc("thousand pictures").light_line_style(WHITE).draw().map_err(text)?;
    for (index, (curve, line)) in curves.iter().zip(lines).enumerate() {
        let style = Palette99::pick(index).stroke_width(2);
        let series = LineSeries::new(line.iter().copied(), style);
        chart
            .draw_series(series)
            .map_err(text)?
            .label(&curve.label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw().map_err(text)?;
    area.present().map_err(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn records() -> Vec<LogRecord> {
        let values = |step: u64| BTreeMap::from([("loss".to_owned(), 1.0 / (step + 1) as f64)]);
        (0..5)
            .map(|step| LogRecord { step, n_images: 1000 * step, note: None, values: values(step) })
            .collect()
    }

    fn curve(key: &str, smoothing: f64) -> Curve {
        Curve { key: key.to_owned(), label: "training".to_owned(), smoothing }
    }

    #[test]
    fn smoothing_is_a_running_mean() {
        let raw = points(&records(), &curve("loss", 0.0)).unwrap();
        assert_eq!(raw[2], (2.0, 1.0 / 3.0));
        let smooth = points(&records(), &curve("loss", 0.5)).unwrap();
        assert_eq!(smooth[..2], [(0.0, 1.0), (1.0, 0.75)]);
    }

    #[test]
    fn a_plot_has_its_title_labels_and_lines() {
        let svg = curves_svg(&records(), "A run", &[curve("loss", 0.9)]).unwrap();
        for part in ["<svg", "A run", "training", "thousand pictures", "<polyline"] {
            assert!(svg.contains(part), "{part}");
        }
    }

    #[test]
    fn a_missing_value_is_named() {
        let message =
            curves_svg(&records(), "A run", &[curve("validation/loss", 0.0)]).unwrap_err().to_string();
        assert!(message.contains("`validation/loss`: the log holds 0 of the 2 values"), "{message}");
    }
}
