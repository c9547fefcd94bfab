//! A machine with a stock Linux kernel, in QEMU, for tests of what the running kernel lacks.
//!
//! The kernel is one of Debian's, unpacked beside the system by `tools/install-packages`. The machine has no
//! disk: its first file system holds the test binary itself, the programs and kernel modules that a
//! [`Machine`] asks for with all they need, and nothing else. The test binary is also the machine's first
//! process. It does one [`Job`] after the other, each a process of its own with a limit, and reports over
//! a serial line; the kernel's messages come over another.
//!
//! A test file names its cases with [`kernel_tests!`](crate::kernel_tests): one test for each kernel boots one
//! machine and runs all cases of a theme in it, because a boot costs seconds and a case milliseconds.
//!
//! It must not know what is tested, and nothing of namespaces or switches.
//!
//! Invariant: **the host always learns how it ended.** A case that fails, panics or hangs, a kernel that
//! crashes, a machine that stops to answer, and a kernel or emulator that is not installed are each an
//! outcome of their own that says what was going on, with the last lines of the program and of the kernel.
//! QEMU gets a death signal bound to the thread that started it, so it cannot outlive a test that is killed.

mod bundle;
mod cpio;
mod first;
mod kernel;
mod live;
mod machine;
mod modules;
mod outcome;
mod protocol;
mod task;
mod theme;
mod visit;
mod watch;

pub use first::serve_if_first;
pub use kernel::{KERNELS, Kernel};
pub use live::Live;
pub use machine::Machine;
pub use outcome::{Done, Fault, Outcome, Verdict};
pub use protocol::Job;
pub use theme::{Case, Ending, Theme, ended};
pub use visit::visit;

/// Tests that run inside of a machine with a stock kernel.
///
/// `NAME on MACHINE => [CASE, ...]` makes a module `NAME` with one test for each kernel of [`KERNELS`]. A case is
/// a function without arguments that gives nothing or a `Result`; it runs in a process of its own, as root,
/// after the cases before it, in a machine that is new for the theme.
#[macro_export]
macro_rules! kernel_tests {
    ($(#[$meta:meta])* $theme:ident on $machine:expr => [$($case:ident),+ $(,)?]) => {
        $(#[$meta])*
        mod $theme {
            use super::*;

            const CASES: &[$crate::qemu::Case] = &[$(
                $crate::qemu::Case::new(stringify!($case), || $crate::qemu::ended($case()))
            ),+];

            #[test]
            fn stock() {
                $crate::qemu::Theme::new(module_path!(), "stock", $machine, CASES).check();
            }

            #[test]
            fn newer() {
                $crate::qemu::Theme::new(module_path!(), "newer", $machine, CASES).check();
            }
        }
    };
}
