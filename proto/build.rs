//! Compiles the `.proto` files with protox, a protobuf compiler written in Rust: no system `protoc` is needed.

use prost::Message as _;
use std::{env, error::Error, fs, path::PathBuf};

/// The operators' own package, which callers' reflection does not list.
const ADMIN: &str = "tallystick/admin/v1/admin.proto";
const FILES: [&str; 8] = [
    "tallystick/v1/types.proto",
    "tallystick/v1/velocity.proto",
    "tallystick/v1/accounts.proto",
    "tallystick/v1/payees.proto",
    "tallystick/v1/credentials.proto",
    "tallystick/v1/authorizer.proto",
    "tallystick/v1/tokens.proto",
    "tallystick/v1/settlements.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .codec_path("crate::codec::StrictCodec")
        .extern_path(".tallystick.v1.BatchResult", "crate::batch_result::BatchResult")
        // Few debits have them: the others are not made larger by them.
        .boxed(".tallystick.v1.DebitResult.hold")
        .boxed(".tallystick.v1.StreamDebit.act.hold")
        .boxed(".tallystick.v1.StreamDebit.act.capture")
        .boxed(".tallystick.v1.StreamDebit.act.void")
        .compile_fds(descriptors)?;
    tonic_prost_build::configure()
        .codec_path("crate::codec::StrictCodec")
        .compile_fds(protox::compile([ADMIN], ["."])?)?;
    println!("cargo:rerun-if-changed={ADMIN}");
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    Ok(())
}
