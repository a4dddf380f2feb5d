//! Owns: the ids a debit names, cheap to clone. Never: looks inside an id; the server gave it out and reads it.

use std::{
    fmt,
    hash::{BuildHasherDefault, DefaultHasher},
    sync::Arc,
};

/// Maps ids; its order is never observed. The server gives ids out, so nobody can choose them to collide.
pub(crate) type IdMap<K, V> = hashbrown::HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps an id as the server gave it.
            #[must_use]
            pub fn new(text: &str) -> Self {
                Self(Arc::from(text))
            }

            /// Returns the id's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// Names a session (`ses_…`).
    SessionId
}

id! {
    /// Names a payee (`pay_…`).
    PayeeId
}
