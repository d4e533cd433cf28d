//! The calibration as SVG.

use plotters::prelude::*;

use super::calibration::Bin;

/// Width and height in pixels.
const SIZE: (u32, u32) = (420, 420);

/// Observed shares over predicted probabilities, with their intervals; on the diagonal they are equal.
pub(super) fn calibration_svg(name: &str, bins: &[Bin]) -> String {
    let mut svg = String::new();
    draw(&mut svg, name, bins).expect("a string takes any drawing; this is a bug");
    svg
}

fn draw(svg: &mut String, name: &str, bins: &[Bin]) -> Result<(), String> {
    let text = |error: DrawingAreaErrorKind<_>| error.to_string();
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(text)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(name, ("sans-serif", 18))
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0_f64..1.0, 0.0_f64..1.0)
        .map_err(text)?;
    chart
        .configure_mesh()
        .x_desc("predicted probability")
        .y_desc("share observed")
        .light_line_style(WHITE)
        .draw()
        .map_err(text)?;
    let even = vec![(0.0, 0.0), (1.0, 1.0)];
    chart.draw_series(LineSeries::new(even, BLACK.mix(0.4))).map_err(text)?;
    let color = Palette99::pick(0);
    let points: Vec<(f64, f64)> = bins.iter().map(|bin| (bin.predicted, bin.observed.mean)).collect();
    chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2))).map_err(text)?;
    for bin in bins {
        let interval = vec![(bin.predicted, bin.observed.low), (bin.predicted, bin.observed.high)];
        chart.draw_series(LineSeries::new(interval, color.stroke_width(1))).map_err(text)?;
    }
    let dots = points.into_iter().map(|point| Circle::new(point, 4, color.filled()));
    chart.draw_series(dots).map_err(text)?;
    area.present().map_err(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::Estimate;

    #[test]
    fn a_plot_has_its_title_diagonal_and_points() {
        let bin = |predicted: f64| Bin {
            ends: [predicted, predicted + 0.1],
            predicted,
            observed: Estimate { mean: predicted, low: predicted - 0.1, high: predicted + 0.1, n: 9 },
        };
        let svg = calibration_svg("aesthetic", &[bin(0.25), bin(0.75)]);
        for part in ["<svg", "aesthetic", "predicted probability", "share observed", "<polyline"] {
            assert!(svg.contains(part), "{part}");
        }
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(calibration_svg("nothing", &[]).contains("<svg"));
    }
}
