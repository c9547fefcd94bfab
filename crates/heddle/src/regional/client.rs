//! The way to a regional service that may be one of several: what one cannot do now is asked of the next.

use std::time::Duration;

use anyhow::Context;
use hvd::client::{CallError, CallResult, Target};
use ovsdb::Uuid;
use rpc::region::v1;
use rpc::region::v1::region_client::RegionClient;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use transport::{Remote, TlsArgs};

/// The longest answer: a page of machines with many rules.
const LONGEST_ANSWER: usize = 256 << 20;

/// A client of one service.
pub(super) type Client = RegionClient<Channel>;

/// Where the services are, and how to reach them.
#[derive(clap::Args)]
pub(super) struct Connection {
    /// The service: unix:FILE, tcp:HOST:PORT or ssl:HOST:PORT; several with commas between them
    /// [default: unix:RUNDIR/heddle-region.sock].
    #[arg(
        short,
        long,
        value_name = "ADDRESSES",
        env = "HEDDLE_REGION",
        global = true
    )]
    service: Option<String>,
    /// The name in the certificates of services [default: the host of each address].
    #[arg(long, value_name = "NAME", global = true)]
    server_name: Option<String>,
    /// Give up a call after this many seconds. Waiting for hypervisors has no such limit.
    #[arg(
        short = 't',
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        global = true
    )]
    timeout: u64,
    #[command(flatten)]
    tls: TlsArgs,
}

/// The services, of which one is asked at a time.
pub(super) struct Services {
    targets: Vec<Target>,
    client: Option<Client>,
    limit: Duration,
}

impl Connection {
    /// What the flags mean; nobody is called yet.
    ///
    /// # Errors
    /// An address that is none, or certificates that are not supported.
    pub(super) fn services(&self) -> anyhow::Result<Services> {
        let remotes = match &self.service {
            Some(text) => Remote::parse_list(text).context("--service")?,
            None => {
                let dirs = daemon::Dirs::from_env(daemon::Family::Ovn);
                vec![Remote::Unix(dirs.run.join("heddle-region.sock"))]
            }
        };
        let target = |remote| Target::new(remote, self.server_name.clone(), &self.tls);
        let targets: Vec<_> = remotes.into_iter().map(target).collect::<Result<_, _>>()?;
        anyhow::ensure!(!targets.is_empty(), "--service: name an address");
        Ok(Services {
            targets,
            client: None,
            limit: Duration::from_secs(self.timeout),
        })
    }
}

impl Services {
    /// How long a call may take.
    pub(super) const fn limit(&self) -> Duration {
        self.limit
    }

    /// Asks one service after the other until one can do it.
    ///
    /// # Errors
    /// What the last one says.
    pub(super) async fn call<T>(
        &mut self,
        call: impl AsyncFn(&mut Client) -> Result<Response<T>, Status>,
    ) -> CallResult<T> {
        let mut tried = 1;
        loop {
            let last = tried >= self.targets.len();
            let error = match self.client().await {
                Err(error) => error,
                Ok(client) => match call(client).await {
                    Ok(answer) => return Ok(answer.into_inner()),
                    Err(status) if status.code() == Code::Unavailable => status.into(),
                    Err(status) => return Err(status.into()),
                },
            };
            self.client = None;
            self.targets.rotate_left(1);
            if last {
                return Err(error);
            }
            tried += 1;
        }
    }

    /// The client of the service whose turn it is.
    async fn client(&mut self) -> CallResult<&mut Client> {
        if self.client.is_none() {
            let target = &self.targets[0];
            let away = |text: String| CallError::Away(format!("{text}; is heddle region running?"));
            let connected = tokio::time::timeout(self.limit, target.connect()).await;
            let channel = connected
                .map_err(|_| away(format!("no connection to {}", target.remote)))?
                .map_err(|error| away(format!("{error:#}")))?;
            let client = Client::new(channel).max_decoding_message_size(LONGEST_ANSWER);
            self.client = Some(client);
        }
        self.client
            .as_mut()
            .ok_or_else(|| CallError::Failed("there is no client".to_owned()))
    }
}

/// A message with the time that its answer may take.
pub(super) fn within<T>(limit: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(limit);
    request
}

macro_rules! asks {
    ($($method:ident($message:ident);)*) => {
        /// A request for a change.
        #[allow(clippy::enum_variant_names, reason = "they are the names of the messages")]
        #[derive(Debug, Clone)]
        pub(super) enum Ask {
            $(
                #[doc = stringify!($message)]
                $message(v1::$message),
            )*
        }

        $(
            impl From<v1::$message> for Ask {
                fn from(message: v1::$message) -> Self {
                    Self::$message(message)
                }
            }
        )*

        impl Ask {
            fn options(&mut self) -> &mut Option<v1::Options> {
                match self { $(Self::$message(it) => &mut it.options),* }
            }

            async fn send(
                self,
                client: &mut Client,
                limit: Duration,
            ) -> Result<Response<v1::Change>, Status> {
                match self { $(Self::$message(it) => client.$method(within(limit, it)).await),* }
            }
        }
    };
}

asks! {
    register(RegisterRequest);
    put_hypervisor(PutHypervisorRequest);
    remove_hypervisor(RemoveHypervisorRequest);
    put_customer(PutCustomerRequest);
    remove_customer(RemoveCustomerRequest);
    put_machine(PutMachineRequest);
    remove_machine(RemoveMachineRequest);
    begin_move(BeginMoveRequest);
    finish_move(FinishMoveRequest);
    cancel_move(CancelMoveRequest);
    add_rule(AddRuleRequest);
    remove_rule(RemoveRuleRequest);
    enable(EnableRequest);
    disable(DisableRequest);
    put_floating_address(PutFloatingAddressRequest);
    remove_floating_address(RemoveFloatingAddressRequest);
    stop_action(StopActionRequest);
    resume_action(ResumeActionRequest);
}

impl Services {
    /// Asks for a change. It is carried out once, also if a service went away before it answered: the request has a
    /// key, its own or a new one.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(super) async fn ask(
        &mut self,
        mut ask: Ask,
        mut options: v1::Options,
    ) -> CallResult<v1::Change> {
        if options.idempotency_key.is_empty() && !options.dry_run {
            options.idempotency_key = Uuid::new_v4().to_string();
        }
        *ask.options() = Some(options);
        let limit = self.limit;
        self.call(async |client| ask.clone().send(client, limit).await)
            .await
    }
}
