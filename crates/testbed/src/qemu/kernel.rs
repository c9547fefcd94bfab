//! The stock kernels that `tools/install-packages` has unpacked.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where they lie, unless the environment says otherwise.
const FOLDER: &str = "/var/cache/heddle/kernels";

/// Names another folder.
const FOLDER_VARIABLE: &str = "HEDDLE_KERNELS";

/// A kernel by the name that tests have for it, and the package of Debian that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// What tests and people call it.
    pub name: &'static str,
    /// The package that always depends on the newest image of its line.
    pub package: &'static str,
}

/// The kernels that tests run on.
pub const KERNELS: &[Kernel] = &[
    Kernel {
        name: "stock",
        package: "linux-image-cloud-amd64",
    },
    Kernel {
        name: "newer",
        package: "linux-image-6.12-cloud-amd64",
    },
];

/// One that is there.
#[derive(Clone, Debug)]
pub(super) struct Installed {
    /// Its release, as `uname -r` says it.
    pub(super) release: String,
    /// The file to boot.
    pub(super) image: PathBuf,
    /// The folder with its modules and their indices.
    pub(super) modules: PathBuf,
}

impl Kernel {
    /// The kernel with this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> Result<Self> {
        let known = KERNELS.iter().find(|kernel| kernel.name == name);
        known.copied().with_context(|| {
            let names: Vec<_> = KERNELS.iter().map(|kernel| kernel.name).collect();
            format!("no kernel is called {name}; there are {}", names.join(", "))
        })
    }

    /// Finds what is installed of it.
    pub(super) fn find(self) -> Result<Installed> {
        let folder = std::env::var_os(FOLDER_VARIABLE).map_or_else(|| FOLDER.into(), PathBuf::from);
        self.find_in(&folder).with_context(|| {
            format!(
                "the kernel of the package {} is not in {}; run tools/install-packages as root",
                self.package,
                folder.display()
            )
        })
    }

    fn find_in(self, folder: &Path) -> Result<Installed> {
        let own = folder.join(self.package);
        let below = own.join("lib/modules");
        let mut releases = Vec::new();
        for entry in
            std::fs::read_dir(&below).with_context(|| format!("cannot read {}", below.display()))?
        {
            releases.push(entry?.file_name().to_string_lossy().into_owned());
        }
        let [release] = releases.as_slice() else {
            bail!("{} holds {} kernels", below.display(), releases.len());
        };
        let installed = Installed {
            image: own.join(format!("boot/vmlinuz-{release}")),
            modules: below.join(release),
            release: release.clone(),
        };
        for path in [&installed.image, &installed.modules.join("modules.dep")] {
            if !path.is_file() {
                bail!("there is no {}", path.display());
            }
        }
        Ok(installed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scratch;

    #[test]
    fn a_kernel_that_is_not_there_names_its_package_and_the_remedy() -> Result<()> {
        let scratch = Scratch::new()?;
        let kernel = Kernel::named("stock")?;
        let error = kernel.find_in(scratch.path()).unwrap_err();
        assert!(
            error.to_string().contains("linux-image-cloud-amd64"),
            "{error:#}"
        );
        let modules = scratch.folder("linux-image-cloud-amd64/lib/modules/6.1.0-1-x")?;
        let error = kernel.find_in(scratch.path()).unwrap_err();
        assert!(error.to_string().contains("vmlinuz-6.1.0-1-x"), "{error:#}");
        std::fs::write(modules.join("modules.dep"), "")?;
        scratch.folder("linux-image-cloud-amd64/boot")?;
        scratch.write("linux-image-cloud-amd64/boot/vmlinuz-6.1.0-1-x", "")?;
        assert_eq!(kernel.find_in(scratch.path())?.release, "6.1.0-1-x");
        let error = Kernel::named("other").unwrap_err().to_string();
        assert!(error.contains("stock, newer"), "{error}");
        Ok(())
    }
}
