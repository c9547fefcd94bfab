//! The definitions as data.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MethodDescriptor};

/// The definitions in the form that servers hand out for reflection.
pub const ENCODED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(ENCODED).expect("the compiler of the definitions wrote it")
});

/// All messages, services, options and comments.
#[must_use]
pub fn pool() -> &'static DescriptorPool {
    &POOL
}

/// What the definitions say about something, from its file's comments. `path` is that of the descriptor.
pub(crate) fn comment(file: &prost_reflect::FileDescriptor, path: &[i32]) -> String {
    let locations = file.file_descriptor_proto().source_code_info.iter();
    let text = locations
        .flat_map(|info| &info.location)
        .find(|location| location.path == path)
        .map(|location| location.leading_comments().trim().to_owned());
    let lines = text.unwrap_or_default();
    lines.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// The methods of a service.
pub(crate) fn methods(service: &str) -> Vec<MethodDescriptor> {
    let service = pool().get_service_by_name(service);
    service.map_or_else(Vec::new, |service| service.methods().collect())
}
