//! `set-frags`.

use anyhow::{Context, bail};
use openflow::Message;
use openflow::message::SwitchConfig;

use super::super::look::config;
use super::super::print;
use super::Switch;

pub(super) async fn change(switch: &Switch, mode: &str) -> anyhow::Result<()> {
    let found = print::FRAGS.iter().position(|name| *name == mode);
    let flags = found.and_then(|place| u16::try_from(place).ok());
    let flags = flags.with_context(|| {
        format!(
            "{mode}: no such mode; use one of {}",
            print::FRAGS.join(", ")
        )
    })?;
    let now = config(switch).await?;
    let message = Message::SetConfig(SwitchConfig { flags, ..now });
    switch.tell(message, "the setting").await?;
    let after = config(switch).await?;
    if after.flags != flags {
        let is = print::frags(after.flags);
        bail!(
            "{}: fragments are still {is}; the switch cannot {mode}",
            switch.name
        );
    }
    Ok(())
}
