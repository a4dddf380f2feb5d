//! Owns: the messages and services of packages `tallystick.v1` and `tallystick.admin.v1`, generated from the files beside this one, but for
//! `BatchResult`.
//! Never: a rule about money; the `.proto` comments are the API reference and the rules live in `src/core`.

mod batch_result;
mod codec;

pub use codec::StrictCodec;

/// Holds every message, client and server of `tallystick.v1`.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    pub use crate::batch_result::BatchResult;
    tonic::include_proto!("tallystick.v1");
}

/// Holds every message, client and server of `tallystick.admin.v1`, which the operators' listener serves.
#[allow(missing_docs, clippy::all)]
pub mod admin {
    tonic::include_proto!("tallystick.admin.v1");
}

/// Holds the encoded `FileDescriptorSet`, which the reflection service serves.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
