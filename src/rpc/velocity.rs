//! Owns: limits in time between the wire and core. Never: a bound that core tests.

use crate::{decode, encode, status};
use tallystick_core::velocity::{Measure, Pace, RATE_LONGEST, VelocityLimit, VelocityView};
use tallystick_proto::v1;
use tonic::Status;

/// Reads the limits of one envelope. *Errors*: `INVALID_ARGUMENT`, naming the field and its rule.
pub fn limits(wire: &[v1::VelocityLimit]) -> Result<Vec<VelocityLimit>, Status> {
    wire.iter().map(limit).collect()
}

fn limit(wire: &v1::VelocityLimit) -> Result<VelocityLimit, Status> {
    let (pace, measure) = (wire.pace, wire.measure());
    let per = decode::optional_span(wire.per, "velocity.per")?;
    let pace = match v1::VelocityPace::try_from(pace) {
        Ok(v1::VelocityPace::Unspecified) if per <= RATE_LONGEST => Pace::Rate,
        Ok(v1::VelocityPace::Rate) => Pace::Rate,
        Ok(v1::VelocityPace::Unspecified | v1::VelocityPace::RollingWindow) => Pace::Window,
        Err(_) => return Err(status::malformed("velocity.pace", "must be RATE or ROLLING_WINDOW")),
    };
    let measure = match measure {
        v1::VelocityMeasure::Count => Measure::Count,
        v1::VelocityMeasure::Amount => Measure::Amount,
        v1::VelocityMeasure::Unspecified => {
            return Err(status::malformed("velocity.measure", "must be COUNT or AMOUNT"));
        }
    };
    Ok(VelocityLimit { pace, measure, each_payee: wire.each_payee, most: wire.most, per, burst: wire.burst })
}

/// Shows the limits of one envelope.
pub(crate) fn shown(views: &[VelocityView]) -> Vec<v1::VelocityLimit> {
    views.iter().map(show).collect()
}

fn show(view: &VelocityView) -> v1::VelocityLimit {
    let limit = &view.limit;
    let pace = match limit.pace {
        Pace::Rate => v1::VelocityPace::Rate,
        Pace::Window => v1::VelocityPace::RollingWindow,
    };
    let measure = match limit.measure {
        Measure::Count => v1::VelocityMeasure::Count,
        Measure::Amount => v1::VelocityMeasure::Amount,
    };
    v1::VelocityLimit {
        pace: pace.into(),
        measure: measure.into(),
        most: limit.most,
        per: Some(encode::span(limit.per)),
        burst: limit.burst,
        each_payee: limit.each_payee,
        left: view.left,
        payee_count: view.payee_count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallystick_core::Span;

    fn wire(pace: i32, measure: i32, seconds: i64) -> v1::VelocityLimit {
        let per = Some(prost_types::Duration { seconds, nanos: 0 });
        v1::VelocityLimit { pace, measure, most: 5, per, ..v1::VelocityLimit::default() }
    }

    #[test]
    fn an_unstated_pace_is_a_rate_up_to_a_minute() {
        for (pace, seconds, wanted) in [
            (0, 1, Pace::Rate),
            (0, 60, Pace::Rate),
            (0, 61, Pace::Window),
            (1, 61, Pace::Rate),
            (2, 1, Pace::Window),
        ] {
            let limit = limit(&wire(pace, 1, seconds)).unwrap();
            assert_eq!((limit.pace, limit.measure, limit.most), (wanted, Measure::Count, 5));
        }
    }

    #[test]
    fn what_is_no_limit_is_refused_with_its_field() {
        for (wire, field) in [
            (wire(3, 1, 1), "velocity.pace"),
            (wire(1, 0, 1), "velocity.measure"),
            (wire(1, 9, 1), "velocity.measure"),
            (wire(1, 1, -1), "velocity.per"),
        ] {
            let said = limit(&wire).unwrap_err().message().to_owned();
            assert!(said.contains(field), "{said}");
        }
    }

    #[test]
    fn a_limit_is_shown_as_it_was_asked_with_what_is_left() {
        let limit = VelocityLimit::new(Measure::Amount, 10, Span::from_ns(1_500_000_000)).for_each_payee();
        let view = VelocityView { limit: limit.with_burst(3), left: 2, payee_count: 4 };
        let shown = shown(&[view]).remove(0);
        assert_eq!((shown.left, shown.payee_count), (2, 4));
        assert_eq!(super::limit(&shown).unwrap(), view.limit);
    }
}
