//! Is the configuration's file: what is taken is shown as a file that says the same.

use super::nothing;
use crate::{
    Target, scratch,
    server::config::{self, Effective, Flags, Problems},
};

pub(super) const TARGET: Target = Target {
    name: "config",
    // A problem names every key there is, beside the text that is no value; there are as many as lines.
    bytes_most: (256 << 10, 4_096),
    prepare: nothing,
    read,
};

fn load(bytes: &[u8]) -> Result<Effective, Problems> {
    scratch::with_file("tallystick.toml", bytes, |_, file| {
        config::load(&Flags::default().with_file(file), |_| None)
    })
}

fn read(bytes: &[u8]) {
    match load(bytes) {
        Ok(effective) => {
            let shown = effective.to_string();
            let again = load(shown.as_bytes()).unwrap_or_else(|problems| panic!("{problems}\n{shown}"));
            assert_eq!(effective.config, again.config, "{shown}");
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}
