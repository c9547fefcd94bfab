//! How others reach the engine: they ask for changes, read what is known, and watch actions.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use model::Str;
use tokio::sync::{mpsc, oneshot, watch};

use super::answer::{Answer, Refusal, RefusalKind, edited};
use super::driver::wall;
use super::state::State;
use super::watching::Watch;
use crate::request::{About, Plan, Request};
use crate::rollout::Policy;

/// The longest key, in bytes.
const KEY: usize = 128;
/// The longest time of a policy.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The greatest number of a policy.
const MOST: usize = 1_000_000;

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The name in the caller's certificate, or the user of a local socket. Whoever lets callers in says it.
    pub who: Str,
    /// What is to be done.
    pub request: Request,
    /// How careful its rollout is.
    pub policy: Policy,
    /// Whether only to say what it would do.
    pub dry_run: bool,
    /// What the caller calls this one request, at most 128 bytes. The same request sent again with it is carried out
    /// once; as long as its action is kept.
    pub key: Option<Str>,
}

/// Something to be carried out, and where its answer goes.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) ask: Ask,
    pub(super) reply: oneshot::Sender<Result<Answer, Refusal>>,
}

/// Reaches an engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    jobs: mpsc::Sender<Job>,
    state: Arc<RwLock<State>>,
    news: watch::Receiver<u64>,
    healthy: watch::Receiver<bool>,
}

impl Handle {
    pub(super) const fn new(
        jobs: mpsc::Sender<Job>,
        state: Arc<RwLock<State>>,
        news: watch::Receiver<u64>,
        healthy: watch::Receiver<bool>,
    ) -> Self {
        Self {
            jobs,
            state,
            news,
            healthy,
        }
    }

    /// Carries a request out, or says what it would do. The answer comes when it stands in the database; the rollout to
    /// the hypervisors goes on after it, see [`Self::watch`].
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn ask(&self, ask: Ask) -> Result<Answer, Refusal> {
        check(&ask)?;
        if ask.dry_run {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            return try_out(&mut state, &ask);
        }
        let (reply, answer) = oneshot::channel();
        let sent = self.jobs.send(Job { ask, reply }).await;
        sent.map_err(|_| Refusal::ended())?;
        answer.await.unwrap_or_else(|_| Err(Refusal::ended()))
    }

    /// Looks at what is known. Keep it short: the engine waits.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        // The state is whole between any two of its methods, so a panic elsewhere does not spoil it.
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows an action until it is over.
    ///
    /// # Errors
    /// When there is none of that number.
    pub fn watch(&self, action: i64) -> Result<Watch, Refusal> {
        if self.read(|state| state.action(action).is_some()) {
            return Ok(Watch::new(self.clone(), action));
        }
        let text = "there is none of that number; the oldest ones are forgotten";
        Err(Refusal::of(
            RefusalKind::NotFound,
            format!("action {action}"),
            text,
        ))
    }

    /// Grows whenever something that is read may have changed.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.clone()
    }

    /// Whether the rows are there to be read. It takes no lock to be healthy.
    pub fn health(&self) -> watch::Receiver<bool> {
        self.healthy.clone()
    }
}

fn check(ask: &Ask) -> Result<(), Refusal> {
    let invalid = |what: &str, text: String| Err(Refusal::of(RefusalKind::Invalid, what, text));
    if let Some(key) = ask
        .key
        .as_ref()
        .filter(|key| key.is_empty() || key.len() > KEY)
    {
        let text = format!("has {} bytes; use 1 to {KEY}", key.len());
        return invalid("idempotency key", text);
    }
    let policy = &ask.policy;
    let numbers = [
        ("parallel", policy.parallel, 1),
        (
            "attempts",
            usize::try_from(policy.attempts).unwrap_or(MOST + 1),
            1,
        ),
        ("stop_after", policy.stop_after, 0),
    ];
    for (name, number, least) in numbers {
        if !(least..=MOST).contains(&number) {
            return invalid(name, format!("{number} is not in {least}..={MOST}"));
        }
    }
    let times = [
        ("deadline", policy.deadline, Duration::from_millis(1)),
        ("backoff", policy.backoff, Duration::ZERO),
        ("max_backoff", policy.max_backoff, Duration::ZERO),
    ];
    for (name, time, least) in times {
        if !(least..=LONGEST).contains(&time) {
            return invalid(name, format!("{time:?} is not in {least:?}..={LONGEST:?}"));
        }
    }
    Ok(())
}

/// The plan to carry out what is asked for.
pub(super) fn plan(state: &mut State, ask: &Ask) -> Result<Plan, Refusal> {
    let about = About {
        time: wall(),
        who: ask.who.clone(),
        policy: ask.policy.to_map(),
        key: ask.key.clone(),
    };
    Ok(state.plan(&ask.request, &about)?)
}

/// What was answered to the same request with the same key, if it was.
pub(super) fn earlier(state: &State, ask: &Ask) -> Result<Option<Answer>, Refusal> {
    let Some(key) = &ask.key else { return Ok(None) };
    let Some(action) = state.action_of(&ask.who, key) else {
        return Ok(None);
    };
    if action.what != ask.request.name() || action.request != ask.request.describe() {
        let text = format!(
            "was used for another request, \"{}\", action {}; take a new one",
            action.what, action.number
        );
        let what = format!("idempotency key {key:?}");
        return Err(Refusal::of(RefusalKind::Conflict, what, text));
    }
    Ok(Some(Answer {
        action: Some(action.number),
        hypervisors: action.hypervisors.clone(),
        edited: Vec::new(),
        repeated: true,
    }))
}

fn try_out(state: &mut State, ask: &Ask) -> Result<Answer, Refusal> {
    let plan = plan(state, ask)?;
    Ok(Answer {
        action: None,
        edited: edited(state.view(), &plan.changes),
        hypervisors: plan.hypervisors,
        repeated: false,
    })
}
