//! `heddle odp datapath`.

use odp::NewDatapath;

use super::{Context, json, listen, which};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List the datapaths (this is done when nothing is said).
    List,
    /// Make a datapath.
    Add {
        /// Its name, and that of its local port's network device.
        datapath: String,
    },
    /// Delete a datapath, with its ports and flows.
    Delete {
        /// Its name or number.
        datapath: String,
    },
    /// Print the packets for which there is no flow, until interrupted.
    Listen(listen::Args),
}

pub(super) fn run(context: &mut Context, command: Option<Command>) -> anyhow::Result<()> {
    let connection = &context.connection;
    match command {
        None | Some(Command::List) => {
            for datapath in connection.datapaths()? {
                context.out.line(
                    || format!("{}: {}", datapath.id, datapath.name),
                    || json::datapath(&datapath),
                )?;
            }
        }
        Some(Command::Add { datapath }) => {
            let made = connection.create_datapath(&NewDatapath::new(datapath))?;
            context.out.quiet(|| json::datapath(&made))?;
        }
        Some(Command::Delete { datapath }) => {
            let found = which::find(connection, &datapath)?;
            connection.delete_datapath(found.id)?;
        }
        Some(Command::Listen(args)) => listen::run(context, &args)?,
    }
    Ok(())
}
