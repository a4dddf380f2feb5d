//! Owns: the drawing of growth: small line charts side by side, as one SVG. Never: a figure; those are handed in.

use crate::{fault::Fault, line::shown};
use plotters::prelude::*;
use std::path::Path;

/// Is a line through its points: along, and up.
pub(crate) type Series = Vec<(f64, f64)>;

/// Is one chart. Along is logarithmic, up begins at zero.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) along: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) series: Series,
}

const SIZE: (u32, u32) = (960, 640);
const INK: RGBColor = RGBColor(36, 41, 47);
const FAINT: RGBColor = RGBColor(216, 222, 228);
const LINE: RGBColor = RGBColor(9, 105, 218);

/// Draws four panels, and makes the folder.
pub(crate) fn draw(panels: &[Panel; 4], file: &Path) -> Result<(), Fault> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(Fault::io(format!("make {}", folder.display())))?;
    }
    let fault = |error: String| Fault::unfit(format!("cannot draw {}", file.display()), error);
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(|error| fault(error.to_string()))?;
    for (area, panel) in root.split_evenly((2, 2)).iter().zip(panels) {
        one(area, panel).map_err(fault)?;
    }
    root.present().map_err(|error| fault(error.to_string()))
}

fn one(area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>, panel: &Panel) -> Result<(), String> {
    let Panel { title, along, unit, series } = panel;
    let words = |error: DrawingAreaErrorKind<_>| -> String { format!("{error:?}") };
    let most = series.iter().fold(0.0_f64, |most, (_, up)| most.max(*up));
    let (first, last) = (series.first().map_or(1.0, |at| at.0), series.last().map_or(10.0, |at| at.0));
    let text = |size: u32| ("sans-serif", size).into_font().color(&INK);
    let mut chart = ChartBuilder::on(area)
        .caption(format!("{title} ({unit})"), text(21))
        .margin(14)
        .margin_right(40)
        .x_label_area_size(50)
        .y_label_area_size(62)
        .build_cartesian_2d((first * 0.8..last * 1.25).log_scale(), 0.0..most * 1.2 + 1.0)
        .map_err(words)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .x_desc(*along)
        .x_labels(4)
        .y_labels(5)
        .x_label_formatter(&|value| shown(*value))
        .y_label_formatter(&|value| shown(*value))
        .label_style(text(16))
        .axis_desc_style(text(16))
        .draw()
        .map_err(words)?;
    chart.draw_series(LineSeries::new(series.iter().copied(), LINE.stroke_width(2))).map_err(words)?;
    let dots = series.iter().map(|at| {
        EmptyElement::at(*at)
            + Circle::new((0, 0), 4, LINE.filled())
            + Text::new(shown(at.1), (-10, -24), text(16))
    });
    chart.draw_series(dots).map_err(words)?;
    Ok(())
}
