//! Owns: what to do next, in words: after each refusal, and after a decline, as a command to type.
//! Never: a reason; the server gives that.

use crate::{moment, money::Money};
use tallystick_client::v1::{Next, NextAction, Refusal};

/// Says what helps against a refusal.
pub(crate) fn of(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Unspecified => "this command line is older than the server: bring it up to date",
        Refusal::Malformed => "mend it and send it again",
        Refusal::UnknownAccount => "`tallystick account list` shows those there are",
        Refusal::UnknownSession => "`tallystick session list ACCOUNT` shows the open ones",
        Refusal::UnknownPayee => "`tallystick payee list` shows those there are",
        Refusal::UnknownWriter => "begin a new stream without it",
        Refusal::UnknownSettlement => "settle its session first: `tallystick settle SESSION`",
        Refusal::SessionRetired => "`tallystick lookup` still tells what became of its debits",
        Refusal::KeyReused => "repeat exactly what this key was first used for, or take another key",
        Refusal::NumberGap | Refusal::NotAttempted => "send the debit before it first",
        Refusal::WriterFenced => "another process goes on with this writer: leave it to it",
        Refusal::BelowWindow => "it was decided long ago: `tallystick lookup` tells how",
        Refusal::KeysExhausted => "send the rest without keys, or open another session",
        Refusal::TooManyWriters => "open another session",
        Refusal::Overloaded => "the server has too much in flight",
        Refusal::DeadlinePassed => "give it longer with --timeout",
        Refusal::JournalFailed => "the server cannot write its journal and stops: look at its disk",
        Refusal::Draining => "the server is stopping: go to the next one",
        Refusal::TableFull => "another key may find a place",
        Refusal::UnknownDeposit => "`tallystick account deposits ACCOUNT` shows those there are",
        Refusal::UnknownDebit => "`tallystick session debits SESSION` shows those there are",
        Refusal::WrongState => "look at it first: this cannot be done in the state that it is in",
        Refusal::OpenChildren => "`tallystick settle SESSION --cascade` settles all at once",
        Refusal::SecretWrong => "present the secret that it was opened with",
        Refusal::UnknownToken => "`tallystick token list ACCOUNT` shows the open ones",
        Refusal::FamilyRevoked => "find out who else has the secret, and issue another mandate",
        Refusal::UnknownHold => "`tallystick session show SESSION` shows its holds",
        Refusal::ReversalsExhausted => "settle this session; a refund is for its payee to make",
        Refusal::IndexBehind => "the index is catching up: ask again in a moment",
        Refusal::Stalled => {
            "answers were not read in time: the same command with the same keys reads them again"
        }
        Refusal::CredentialUnknown => {
            "give a key: TALLYSTICK_API_KEY or --api-key-file; the first start of a server shows one"
        }
        Refusal::Forbidden => "`tallystick credential create` makes a key of another role",
        Refusal::ControlFenced => {
            "somebody else has paused or resumed it since: look at it, then name the epoch it has now"
        }
        Refusal::UnknownCredential => "`tallystick credential list` shows those there are",
        Refusal::IndexIncomplete => {
            "the index was made anew and knows nothing so old: look at the settlement"
        }
    }
}

/// Says what helps against a decline in `session`; `None` when the server says nothing.
pub(crate) fn after_decline(next: Option<&Next>, session: Option<&str>, money: Money) -> Option<String> {
    let next = next?;
    let at_most = || money.show(next.at_most_nanos);
    Some(match next.action() {
        NextAction::Unspecified => return None,
        NextAction::Nothing => "nothing makes this succeed".to_owned(),
        NextAction::TopUp => match session {
            Some(session) if next.at_most_nanos > 0 => {
                format!("top up, by at most {0}: tallystick session topup {session} {0}", at_most())
            }
            _ => format!("more room is needed above; at most {} can be given", at_most()),
        },
        NextAction::WaitUntil => {
            format!("wait until {}, then use a new key", moment::show(next.at.as_ref()))
        }
        NextAction::AskApproval => "ask for approval".to_owned(),
        NextAction::SmallerAmount => format!("at most {} fits; send it under a new key", at_most()),
        NextAction::NewKey => "this key remembers the decline: a new key brings a new decision".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(action: NextAction, at_most_nanos: u64) -> Option<String> {
        let at = Some(prost_types::Timestamp { seconds: 0, nanos: 0 });
        let next = Next { action: action.into(), at_most_nanos, at };
        after_decline(Some(&next), Some("ses_1"), Money::Decimal)
    }

    #[test]
    fn each_action_is_something_to_do() {
        let topup = said(NextAction::TopUp, 1_500_000_000).unwrap();
        assert_eq!(topup, "top up, by at most 1.50: tallystick session topup ses_1 1.50");
        assert!(said(NextAction::TopUp, 0).unwrap().contains("above"));
        assert!(said(NextAction::WaitUntil, 0).unwrap().contains("1970-01-01T00:00:00Z"));
        assert!(said(NextAction::SmallerAmount, 7).unwrap().contains("0.000000007"));
        assert!(said(NextAction::NewKey, 0).unwrap().contains("new key"));
        assert_eq!(said(NextAction::Unspecified, 0), None);
        assert_eq!(after_decline(None, None, Money::Decimal), None);
    }
}
