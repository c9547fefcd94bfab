//! The control socket: `ovs-appctl -t NAME COMMAND ARGUMENTS` reaches a daemon here.
//!
//! Requests are JSON-RPC without any framing: method is the command's name, parameters are strings.
//! A connection's requests are answered one after another, connections beside each other.

mod builtin;
mod server;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use server::Server;

use crate::{Identity, Shutdown};

/// What a command answers: text, or the text of an error.
pub type Reply = Result<String, String>;

type Handler =
    Arc<dyn Fn(Vec<String>) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync>;

struct Command {
    /// How the arguments are written in `list-commands`.
    usage: String,
    min_args: usize,
    max_args: usize,
    handler: Handler,
}

/// The commands that a daemon answers.
#[derive(Default)]
pub struct Registry {
    commands: BTreeMap<String, Command>,
    shutdown: Option<Shutdown>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.commands.keys()).finish()
    }
}

/// An answer, and whether the process is to end once it is sent.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) reply: Reply,
    pub(crate) exit: Option<Vec<String>>,
}

impl Registry {
    /// No commands; the built-in ones are added when the socket opens.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a command, in place of one of the same name. `usage` describes the arguments, for
    /// example `[--restart]`.
    pub fn register<F, Fut>(
        &mut self,
        name: &str,
        usage: &str,
        min_args: usize,
        max_args: usize,
        handler: F,
    ) where
        F: Fn(Vec<String>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |args| Box::pin(handler(args)));
        let command = Command {
            usage: usage.to_owned(),
            min_args,
            max_args,
            handler,
        };
        self.commands.insert(name.to_owned(), command);
    }

    /// Adds a command that needs no waiting.
    pub fn register_sync<F>(
        &mut self,
        name: &str,
        usage: &str,
        min_args: usize,
        max_args: usize,
        handler: F,
    ) where
        F: Fn(&[String]) -> Reply + Send + Sync + 'static,
    {
        self.register(name, usage, min_args, max_args, move |args| {
            let reply = handler(&args);
            async move { reply }
        });
    }

    /// Adds commands that the program is known to have and does not have yet: each answers
    /// `not supported: NAME`. They are not listed as available.
    pub fn not_supported(&mut self, names: &[&str]) {
        for name in names {
            let text = format!("not supported: {name}");
            self.register_sync(name, HIDDEN, 0, usize::MAX, move |_| Err(text.clone()));
        }
    }

    /// Adds what every daemon answers.
    #[must_use]
    pub(crate) fn with_builtin(mut self, identity: &Identity, shutdown: Shutdown) -> Self {
        builtin::register(&mut self, identity);
        let list = self.list();
        self.register_sync("list-commands", "", 0, 0, move |_| Ok(list.clone()));
        self.shutdown = Some(shutdown);
        self
    }

    fn list(&self) -> String {
        let mut text = String::from("The available commands are:\n");
        for (name, command) in &self.commands {
            if command.usage != HIDDEN {
                let _ = writeln!(text, "  {name:<23} {}", command.usage);
            }
        }
        let _ = writeln!(text, "  {:<23} ", "list-commands");
        text
    }

    /// Runs one command. Errors are OVS's words.
    pub(crate) async fn call(&self, method: &str, params: Result<Vec<String>, usize>) -> Outcome {
        let reply = match self.commands.get(method) {
            None => Err(format!(
                "\"{method}\" is not a valid command (use \"list-commands\" to see a list of valid commands)"
            )),
            Some(command) => {
                let count = params.as_ref().map_or_else(|count| *count, Vec::len);
                if count < command.min_args {
                    Err(format!(
                        "\"{method}\" command requires at least {} arguments",
                        command.min_args
                    ))
                } else if count > command.max_args {
                    Err(format!(
                        "\"{method}\" command takes at most {} arguments",
                        command.max_args
                    ))
                } else if let Ok(args) = params {
                    let exit = (method == "exit").then(|| args.clone());
                    let reply = (command.handler)(args).await;
                    let exit = exit.filter(|_| reply.is_ok());
                    return Outcome { reply, exit };
                } else {
                    Err(format!("\"{method}\" command has non-string argument"))
                }
            }
        };
        Outcome { reply, exit: None }
    }
}

/// The usage text of commands that `list-commands` leaves out.
const HIDDEN: &str = "\0";
