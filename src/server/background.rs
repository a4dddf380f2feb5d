//! Owns: how much less of the processor those threads get that nobody waits for. Never: stops them; what they leave undone
//! must have a bound.

/// Is by how much they are nicer. With two busy threads on each core, they still get about a tenth of both: so the index
/// keeps up with a million debits a second, while a debit that wakes goes first.
const NICER: i32 = 5;

/// Lets the calling thread give way to all others of the process, for good. Where the system does not allow it, nothing changes.
pub(crate) fn give_way() {
    // On Linux this is the thread's own, not the process's.
    if let Err(error) = rustix::process::nice(NICER) {
        tracing::debug!(%error, "a background thread keeps its priority");
    }
}
