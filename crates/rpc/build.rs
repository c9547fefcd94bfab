//! Makes Rust of the protobuf definitions, without `protoc`.

use std::error::Error;
use std::path::{Path, PathBuf};

const ROOT: &str = "proto";
const FILES: &[&str] = &[
    "heddle/hv/v1/params.proto",
    "heddle/hv/v1/hypervisor.proto",
    "heddle/region/v1/objects.proto",
    "heddle/region/v1/region.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_source_info(true).include_imports(true);
    for file in FILES {
        compiler.open_file(Path::new(ROOT).join(file))?;
    }
    // With comments and options, which prost's own types would lose.
    let descriptors = compiler.encode_file_descriptor_set();
    std::fs::write(out.join("descriptors.bin"), &descriptors)?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .codec_path("crate::codec::StrictCodec")
        .compile_well_known_types(true)
        .extern_path(".google.protobuf", "::pbjson_types")
        .emit_rerun_if_changed(false)
        .compile_fds_with_config(compiler.file_descriptor_set(), config)?;
    pbjson_build::Builder::new()
        .register_descriptors(&descriptors)?
        .preserve_proto_field_names()
        .exclude([".heddle.hv.v1.NetworkParams", ".heddle.hv.v1.Rule"])
        .build(&[".heddle"])?;
    Ok(())
}
