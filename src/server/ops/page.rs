//! Owns: writing one metric at a time: help, type, unit, then its rows. Never: which metrics there are.

use super::histogram::Reading;
use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelValue, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};
use std::fmt;

/// Is a metric's row: its labels, and a value.
type Row<V, L, const N: usize> = ([(&'static str, L); N], V);

/// Writes metrics one after another.
#[derive(Debug)]
pub(super) struct Writer<'a>(DescriptorEncoder<'a>);

impl<'a> Writer<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Writes facts that never change while the process runs.
    pub(super) fn info<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        facts: &[(&str, &str); N],
    ) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&facts.as_slice())
    }

    /// Writes one that goes up and down, without labels.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeGaugeValue + Copy,
    ) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// Writes one that goes up and down, a row for each set of labels.
    pub(super) fn gauges<V: EncodeGaugeValue, L: EncodeLabelValue, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = Row<V, L, N>>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        rows.into_iter().try_for_each(|(labels, value)| encoder.encode_family(&labels)?.encode_gauge(&value))
    }

    /// Writes one that only goes up; `_total` is added to its name.
    pub(super) fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = Row<u64, &'static str, N>>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        rows.into_iter().try_for_each(|(labels, value)| {
            if N == 0 {
                return encoder.encode_counter::<NoLabelSet, _, u64>(&value, None);
            }
            encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    /// Writes times, a row for each set of labels; `_seconds` is added to its name.
    pub(super) fn seconds<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = Row<Reading, &'static str, N>>,
    ) -> fmt::Result {
        let mut encoder =
            self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        rows.into_iter()
            .try_for_each(|(labels, reading)| buckets(&mut encoder.encode_family(&labels)?, &reading))
    }

    /// Writes sizes; `_bytes` is added to its name.
    pub(super) fn bytes(&mut self, name: &str, help: &str, reading: &Reading) -> fmt::Result {
        buckets(
            &mut self.0.encode_descriptor(name, help, Some(&Unit::Bytes), MetricType::Histogram)?,
            reading,
        )
    }

    /// Writes a histogram of something that has no unit.
    pub(super) fn histogram(&mut self, name: &str, help: &str, reading: &Reading) -> fmt::Result {
        buckets(&mut self.0.encode_descriptor(name, help, None, MetricType::Histogram)?, reading)
    }
}

fn buckets(encoder: &mut MetricEncoder<'_>, reading: &Reading) -> fmt::Result {
    encoder.encode_histogram::<NoLabelSet>(reading.sum, reading.count, &reading.buckets, None)
}
