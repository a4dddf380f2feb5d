//! Is `tallystick-sim`.

fn main() {}
