//! Owns: what an answer says, read from its bytes. Never: passes over a refusal, a pending outcome or a part of an amount.

use super::ids::{LENGTH_DELIMITED, VARINT};
use crate::LoadError;
use prost::{Message as _, encoding::decode_varint};
use tallystick_client::v1::{AuthorizeResponse, DebitResult, Durability, Outcome};

const APPROVED: u64 = Outcome::Approved as u64;
const DECLINED: u64 = Outcome::Declined as u64;

/// Is what became of one debit, whose whole amount was taken when it was approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) approved: bool,
    /// Decided earlier.
    pub(super) replayed: bool,
}

/// Is what a unary call says besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decided {
    pub(super) answer: Answer,
    pub(super) amount_nanos: u64,
    pub(super) durability: Durability,
}

/// Reads an `AuthorizeStreamResponse` that must hold a batch's results, and gives each of them.
///
/// *Returns* the batch's id and the number of its results.
pub(super) fn read_batch(message: &[u8], mut each: impl FnMut(Answer)) -> Result<(u64, u32), LoadError> {
    let (mut batch_id, mut count) = (0, 0);
    let mut fields = Fields(only_field(message, 2)?);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Number(id)) => batch_id = id,
            (2, Value::Bytes(result)) => {
                each(read_result(result)?);
                count += 1;
            }
            _ => {}
        }
    }
    Ok((batch_id, count))
}

/// Reads an `AuthorizeResponse`.
pub(super) fn read_decision(message: &[u8]) -> Result<Decided, LoadError> {
    let (mut outcome, mut replayed, mut amount_nanos, mut durability) = (0, false, 0, 0);
    let mut fields = Fields(only_field(message, 1)?);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Number(number)) => outcome = number,
            (6, Value::Number(number)) => amount_nanos = number,
            (11, Value::Number(number)) => replayed = number != 0,
            (12, Value::Number(number)) => durability = number,
            _ => {}
        }
    }
    if outcome != APPROVED && outcome != DECLINED {
        let found = format!("{:?}", AuthorizeResponse::decode(message));
        return Err(LoadError::answer("have a debit decided", found));
    }
    let durability = i32::try_from(durability).ok().and_then(|number| Durability::try_from(number).ok());
    let answer = Answer { approved: outcome == APPROVED, replayed };
    Ok(Decided { answer, amount_nanos, durability: durability.unwrap_or_default() })
}

fn read_result(bytes: &[u8]) -> Result<Answer, LoadError> {
    let (mut outcome, mut replayed, mut refused, mut partial_nanos) = (0, false, false, 0);
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Number(number)) => outcome = number,
            (5, Value::Number(number)) => replayed = number != 0,
            (6, Value::Bytes(_)) => refused = true,
            (7, Value::Number(number)) => partial_nanos = number,
            _ => {}
        }
    }
    if refused || partial_nanos != 0 || (outcome != APPROVED && outcome != DECLINED) {
        let found = format!("{:?}", DebitResult::decode(bytes));
        return Err(LoadError::answer("have a debit decided", found));
    }
    Ok(Answer { approved: outcome == APPROVED, replayed })
}

/// Returns the content of a message that has one field only.
fn only_field(message: &[u8], wanted: u64) -> Result<&[u8], LoadError> {
    let mut fields = Fields(message);
    match fields.next()? {
        Some((field, Value::Bytes(inner))) if field == wanted && fields.0.is_empty() => Ok(inner),
        other => Err(LoadError::answer("read a message", format!("{other:?} instead of field {wanted}"))),
    }
}

/// Reads a message field by field.
struct Fields<'a>(&'a [u8]);

#[derive(Debug)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes, which no answer has yet.
    Fixed,
}

impl<'a> Fields<'a> {
    #[inline]
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, LoadError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.number()?;
        let value = match (key & 7) as u8 {
            VARINT => Value::Number(self.number()?),
            LENGTH_DELIMITED => {
                let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
                Value::Bytes(self.take(length)?)
            }
            1 => self.take(8).map(|_| Value::Fixed)?,
            5 => self.take(4).map(|_| Value::Fixed)?,
            other => return Err(broken(format!("a field of wire type {other}"))),
        };
        Ok(Some((key >> 3, value)))
    }

    #[inline]
    fn number(&mut self) -> Result<u64, LoadError> {
        decode_varint(&mut self.0).map_err(|error| broken(error.to_string()))
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], LoadError> {
        let (taken, left) =
            self.0.split_at_checked(length).ok_or_else(|| broken("a field that is cut off".to_owned()))?;
        self.0 = left;
        Ok(taken)
    }
}

#[cold]
fn broken(found: String) -> LoadError {
    LoadError::answer("read a message", found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallystick_client::v1::{
        AuthorizeStreamResponse, BatchResult, Decision, DeclineCode, RefusedDebit, Welcome,
        authorize_stream_response::Message,
    };

    fn batch(results: Vec<DebitResult>) -> Vec<u8> {
        let batch = BatchResult { batch_id: 300, results };
        AuthorizeStreamResponse { message: Some(Message::Batch(batch)) }.encode_to_vec()
    }

    fn approved() -> DebitResult {
        DebitResult { outcome: 1, seq: 1 << 40, remaining_nanos: u64::MAX, ..DebitResult::default() }
    }

    fn read(message: &[u8]) -> Result<(u64, u32, Vec<Answer>), LoadError> {
        let mut answers = Vec::new();
        let (id, count) = read_batch(message, |answer| answers.push(answer))?;
        Ok((id, count, answers))
    }

    #[test]
    fn every_result_of_a_batch_is_heard() {
        let code = DeclineCode::Cap.into();
        let declined = DebitResult { outcome: 2, code, replayed: true, final_unit: true, ..approved() };
        let (id, count, answers) = read(&batch(vec![approved(), declined])).unwrap();
        assert_eq!((id, count), (300, 2));
        let said = |approved, replayed| Answer { approved, replayed };
        assert_eq!(answers, [said(true, false), said(false, true)]);
    }

    #[test]
    fn whatever_is_not_a_decision_of_the_whole_amount_ends_the_run() {
        let refused = Some(RefusedDebit::default());
        for wrong in [
            DebitResult { refused: refused.clone(), outcome: 0, ..approved() },
            DebitResult { refused, ..approved() },
            DebitResult { partial_nanos: 1, ..approved() },
            DebitResult { outcome: 3, ..approved() },
            DebitResult { outcome: 0, ..approved() },
        ] {
            assert!(read(&batch(vec![approved(), wrong.clone()])).is_err(), "{wrong:?}");
        }
        let welcome = AuthorizeStreamResponse { message: Some(Message::Welcome(Welcome::default())) };
        assert!(read(&welcome.encode_to_vec()).is_err(), "a welcome is no batch");
        let whole = batch(vec![approved(), approved()]);
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "cut off after {length} bytes");
        }
    }

    #[test]
    fn a_decision_is_read_as_prost_wrote_it() {
        let decision = Decision {
            outcome: 1,
            debit_id: "deb_1".to_owned(),
            amount_nanos: 606,
            remaining_nanos: 1 << 50,
            replayed: true,
            durability: Durability::Fsync.into(),
            ..Decision::default()
        };
        let message = |decision| AuthorizeResponse { decision: Some(decision) }.encode_to_vec();
        let read = read_decision(&message(decision.clone())).unwrap();
        assert_eq!((read.answer.approved, read.answer.replayed, read.amount_nanos), (true, true, 606));
        assert_eq!(read.durability, Durability::Fsync);
        assert!(read_decision(&message(Decision { outcome: 3, ..decision })).is_err(), "pending");
        assert!(read_decision(&[]).is_err(), "no decision");
    }
}
