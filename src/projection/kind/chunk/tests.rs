use super::*;
use proptest::prelude::*;
use tallystick_core::id::Place;

const PLACE: Place = Place { partition: 7, slot: 9, generation: 3 };

fn session() -> SessionId {
    SessionId::new(PLACE, 5)
}

/// Is a debit with what a test chooses, in the order of a journal.
#[derive(Debug, Clone)]
struct Chosen {
    step: u64,
    ns: u64,
    payee: u32,
    asked: u64,
    taken: Option<u64>,
    declined: bool,
    writer: Option<u64>,
    reference: String,
    evidence: Option<[u8; 32]>,
    what: What,
}

fn what() -> impl Strategy<Value = What> {
    let nanos = || any::<u64>().prop_map(Amount::from_nanos);
    let time = || any::<u64>().prop_map(Time::from_ns);
    prop_oneof![
        4 => Just(What::Debit),
        1 => (nanos(), time(), any::<bool>())
            .prop_map(|(tolerance, until, until_was_asked)| What::Hold { tolerance, until, until_was_asked }),
        1 => any::<(u64, bool, bool)>().prop_map(|(hold, last, late)| What::Capture { hold, last, late }),
        1 => any::<u64>().prop_map(|hold| What::Void { hold }),
    ]
}

fn chosen() -> impl Strategy<Value = Chosen> {
    let money = (0..3u32, prop_oneof![0..3u64, any::<u64>()], prop::option::of(any::<u64>()), any::<bool>());
    let text = (prop::option::of(0..3u64), "[a-zé]{0,9}", prop::option::of(any::<[u8; 32]>()));
    (1..1_000_000u64, 0..1_000_000_000u64, money, text, what()).prop_map(|(step, ns, money, text, what)| {
        Chosen {
            step,
            ns,
            payee: money.0,
            asked: money.1,
            taken: money.2,
            declined: money.3,
            writer: text.0,
            reference: text.1,
            evidence: text.2,
            what,
        }
    })
}

fn items(all: &[Chosen]) -> Vec<Item<'_>> {
    let (mut seq, mut at, mut numbers) = (100, 1_000_000, [0; 3]);
    let mut found = Vec::new();
    for (nth, one) in all.iter().enumerate() {
        seq += one.step;
        at += one.ns;
        let by = match one.writer {
            None => By::Key(KeyHash(nth as u128 * 0x1_0000_0001)),
            Some(writer) => {
                let number = &mut numbers[usize::try_from(writer).unwrap()];
                *number += 1;
                By::Number { writer: WriterId::new(PLACE, writer), number: *number }
            }
        };
        let verdict = one.declined.then_some((DeclineCode::Cap, Level::Session));
        let asked = Amount::from_nanos(one.asked);
        found.push(Item {
            seq,
            at: Time::from_ns(at),
            payee: one.payee,
            asked,
            taken: one.taken.map_or(usually(verdict, asked), Amount::from_nanos),
            verdict,
            by,
            reference: &one.reference,
            evidence: one.evidence,
            what: one.what,
        });
    }
    found
}

fn write(items: &[Item<'_>]) -> Vec<Done> {
    let (mut writer, mut all) = (Writer::default(), Vec::new());
    for item in items {
        if !writer.fits(item) {
            all.extend(writer.finish(session()));
        }
        writer.push(item);
    }
    all.extend(writer.finish(session()));
    all
}

proptest! {
    #[test]
    fn what_is_written_comes_back(all in prop::collection::vec(chosen(), 1..600)) {
        let items = items(&all);
        let (mut found, mut last) = (0, 0);
        for done in write(&items) {
            let key = At::of(session()).key(done.first_seq);
            let view = View::parse(&key, &done.value).unwrap();
            prop_assert_eq!((view.session, view.last_seq), (session(), done.last_seq));
            prop_assert!(view.first_seq > last);
            last = view.last_seq;
            view.items(|item| {
                assert_eq!(item, &items[found]);
                if let By::Number { writer, number } = item.by {
                    assert!(view.may_have(writer, number));
                }
                found += 1;
            }).unwrap();
        }
        prop_assert_eq!(found, items.len());
    }

    #[test]
    fn no_change_of_a_byte_makes_it_panic(all in prop::collection::vec(chosen(), 1..20), at: usize, to: u8) {
        let done = write(&items(&all)).remove(0);
        let (key, mut value) = (At::of(session()).key(done.first_seq), done.value);
        let at = at % value.len();
        value[at] = to;
        if let Ok(view) = View::parse(&key, &value) {
            let _ = view.items(|_| {});
        }
        value.truncate(at);
        if let Ok(view) = View::parse(&key, &value) {
            let read = view.items(|_| {});
            prop_assert!(read.is_err());
        }
    }
}

/// Chunks that were written before there were holds: three debits, the first and the last with evidence, the last by the next
/// number of its writer.
#[test]
fn chunks_of_version_1_are_still_read() {
    let chosen = |nth: u64| Chosen {
        step: 1,
        ns: 5,
        payee: 1,
        asked: 9,
        taken: (nth == 1).then_some(3),
        declined: false,
        writer: Some(0),
        reference: if nth == 1 { "ref".into() } else { String::new() },
        evidence: (nth != 1).then_some([7; 32]),
        what: What::Debit,
    };
    let all = [chosen(0), chosen(1), chosen(2)];
    let (items, writer) = (items(&all), WriterId::new(PLACE, 0));
    let mut value = vec![1];
    value.put_u128(session().bits());
    [3, 0, 2].into_iter().for_each(|number| value.put_small(number));
    value.put_u64(items[0].at.ns());
    value.put_small(1);
    value.put_u128(writer.bits());
    [1, 2].into_iter().for_each(|number| value.put_small(number));
    // Flags, seq and time; what follows: payee, asked, writer and its first number; taken and text; nothing.
    value.put(&[64, 0, 0, 1, 9, 0, 0]);
    value.put(&[7; 32]);
    value.put(&[1 | 2 | 8 | 32 | 128, 1, 5, 3, 3, b'r', b'e', b'f']);
    value.put(&[1 | 2 | 64 | 128, 1, 5]);
    value.put(&[7; 32]);
    let key = At::of(session()).key(items[0].seq);
    let (view, mut found) = (View::parse(&key, &value).unwrap(), 0);
    view.items(|item| {
        assert_eq!(item, &items[found]);
        found += 1;
    })
    .unwrap();
    assert_eq!(found, 3);
}

#[test]
fn a_debit_like_the_one_before_takes_few_bytes() {
    let like = Chosen {
        step: 3,
        ns: 2_000,
        payee: 1,
        asked: 1_000_000,
        taken: None,
        declined: false,
        writer: Some(1),
        reference: String::new(),
        evidence: None,
        what: What::Debit,
    };
    let all = vec![like; 1_000];
    let done = write(&items(&all));
    assert_eq!(done.len(), 4);
    assert!(done[0].value.len() <= 5 * 256 + 64, "{} bytes", done[0].value.len());
}

#[test]
fn damage_names_the_place() {
    let one = Chosen {
        step: 1,
        ns: 0,
        payee: 1,
        asked: 1,
        taken: None,
        declined: false,
        writer: None,
        reference: String::new(),
        evidence: None,
        what: What::Debit,
    };
    let all = [one];
    let done = write(&items(&all)).remove(0);
    let key = At::of(session()).key(done.first_seq);
    let fault = View::parse(&key, &done.value[..20]).unwrap_err().to_string();
    assert!(fault.contains("projection debits at 0007000000090000000000000065"), "{fault}");
    assert!(View::parse(&key[1..], &done.value).is_err());
    let elsewhere = At { partition: 7, slot: 10 }.key(done.first_seq);
    assert!(View::parse(&elsewhere, &done.value).is_err());
}
