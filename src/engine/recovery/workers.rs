//! Owns: the same work for many things on a few threads, in any order, and the outcome as if it had been one thread.
//! Never: a thread that outlives the work; a panic that is survived.

use crate::{StartFault, running::or_abort};
use std::{
    panic,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Scope, ScopedJoinHandle},
};
use tallystick_journal::StorageFault;

/// Starts a thread that ends within `scope`. *Errors*: there is none to be had. A panic ends the process.
pub(super) fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, StartFault> {
    let builder = thread::Builder::new().name("recovery".into());
    builder.spawn_scoped(scope, || or_abort(work)).map_err(StartFault::Thread)
}

/// Waits for a thread's outcome.
pub(super) fn join<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    // A thread that panicked has aborted the process; there is no other way to fail.
    handle.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
}

/// Does `work` for each item. Returns what came of them, in their order. *Errors*: the fault of the first item, in their
/// order, that has one: whichever came first in time.
pub(super) fn each<T: Send, R: Send>(
    threads: usize,
    items: Vec<T>,
    work: impl Fn(T) -> Result<R, StorageFault> + Sync,
) -> Result<Vec<R>, StartFault> {
    let count = threads.min(items.len());
    let waiting = Mutex::new((0..).zip(items));
    let failed = AtomicBool::new(false);
    let take_turns = || {
        let mut done: Vec<(usize, Result<R, StorageFault>)> = Vec::new();
        // ORDER: items are taken in their order, so whatever comes before one that failed has been taken by somebody, who
        // brings it to its end.
        while !failed.load(Ordering::Acquire) {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((place, item)) = next else { break };
            let outcome = work(item);
            failed.fetch_or(outcome.is_err(), Ordering::AcqRel);
            done.push((place, outcome));
        }
        done
    };
    let mut done = thread::scope(|scope| {
        let handles: Result<Vec<_>, _> = (0..count).map(|_| start(scope, take_turns)).collect();
        Ok::<_, StartFault>(handles?.into_iter().flat_map(join).collect::<Vec<_>>())
    })?;
    done.sort_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, outcome)| outcome).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_come_in_order_on_any_number_of_threads() {
        for threads in 1..9 {
            let doubled = each(threads, (0..100).collect(), |n: u32| Ok(n * 2)).unwrap();
            assert!(doubled.into_iter().eq((0..100).map(|n| n * 2)), "{threads} threads");
        }
    }

    #[test]
    fn the_first_fault_in_order_is_the_one_that_is_told() {
        for threads in 1..9 {
            let work = |n: u32| match n {
                // The earlier one takes longer.
                30 => {
                    (0..100_000).for_each(|n| assert!(std::hint::black_box(n) < 100_000));
                    Err(StorageFault::Io("30".into()))
                }
                31.. => Err(StorageFault::Io("later".into())),
                _ => Ok(n),
            };
            let fault = each(threads, (0..100).collect(), work).unwrap_err();
            assert_eq!(fault.to_string(), "storage failed: 30", "{threads} threads");
        }
    }
}
