//! Owns: the system's limit on open files, which connections share with storage. A connection too many must never be why
//! the journal cannot open a file: that would stop the server. Never: more files than the system's hard limit allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What storage may have open (two instances of 512, see `tallystick-store`), and everything that is not a connection.
const RESERVED: u64 = 2 * 512 + 256;

/// Takes as many open files as the system gives, and returns how many connections that leaves, at most `wanted`.
pub(super) fn connections(wanted: usize) -> usize {
    let limit = raised();
    let most = leaves(limit, wanted);
    if most < wanted {
        tracing::warn!(
            open_files = limit,
            connections_max = wanted,
            lowered_to = most,
            "open files are limited: fewer connections are let in than configured; raise the limit (LimitNOFILE, ulimit -n)"
        );
    }
    most
}

fn leaves(limit: Option<u64>, wanted: usize) -> usize {
    let Some(limit) = limit else { return wanted };
    // With very few files, storage gets by with half of them: it closes files that it does not read.
    let left = limit.saturating_sub(RESERVED).max(limit / 2);
    usize::try_from(left).map_or(wanted, |left| wanted.min(left))
}

/// Raises the soft limit to the hard one, as a server is expected to. Returns what holds now; `None` without a limit.
fn raised() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit on open files cannot be raised");
            current
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_has_its_files_before_connections_have_theirs() {
        assert_eq!(leaves(None, 4_096), 4_096);
        assert_eq!(leaves(Some(20_000), 4_096), 4_096);
        assert_eq!(leaves(Some(4_096), 4_096), 4_096 - 1_280);
        assert_eq!(leaves(Some(1_024), 4_096), 512);
    }
}
