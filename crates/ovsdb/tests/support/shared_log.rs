//! A log in memory that several servers write, with all that can happen to one: others are first, a lock is lost,
//! the connection is lost and the outcome of a write is unknown for a while, records are dropped behind a snapshot.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use ovsdb::log::{
    AppendError, LockEvent, LockService, LockWatcher, Log, LogError, LogState, News, Size,
    StoreSnapshot, Update, Watcher,
};
use ovsdb::{Database, DatabaseSchema, Record, Str, Uuid};

/// What all servers have in common.
#[derive(Clone)]
pub(crate) struct Cluster(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// A connection has changed.
    changed: Condvar,
}

struct State {
    schema: Record,
    snapshot: Option<Record>,
    /// The number of records before the first that is kept.
    first: u64,
    records: VecDeque<Record>,
    /// Those who want a lock; the first owns it.
    locks: HashMap<Str, VecDeque<usize>>,
    members: Vec<Member>,
}

#[derive(Default)]
struct Member {
    connected: bool,
    log: Option<Watcher>,
    locks: Option<LockWatcher>,
    /// Lock events that nobody has taken, while there is no watcher.
    events: VecDeque<LockEvent>,
}

impl State {
    fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    fn tell_others(&self, member: usize) {
        for (number, other) in self.members.iter().enumerate() {
            if let (true, true, Some(log)) = (number != member, other.connected, &other.log) {
                log(News::Records);
            }
        }
    }

    fn tell(&mut self, member: usize, event: LockEvent) {
        let member = &mut self.members[member];
        match &member.locks {
            Some(watcher) => watcher(event),
            None => member.events.push_back(event),
        }
    }

    fn owner(&self, lock: &str) -> Option<usize> {
        self.locks.get(lock)?.front().copied()
    }

    fn tell_owner(&mut self, lock: &str) {
        if let Some(owner) = self.owner(lock) {
            self.tell(owner, LockEvent::Owned(lock.into()));
        }
    }
}

impl Cluster {
    pub(crate) fn new(schema: &DatabaseSchema) -> Self {
        let state = State {
            schema: Record::schema(schema),
            snapshot: None,
            first: 0,
            records: VecDeque::new(),
            locks: HashMap::new(),
            members: Vec::new(),
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// One more server: the database as the log has it, and its end of the log.
    pub(crate) fn join(&self) -> (Database, SharedMemoryLog) {
        let mut state = self.state();
        let text = String::from_utf8(state.schema.data().to_vec()).unwrap();
        let schema = DatabaseSchema::from_json_text(&text).unwrap();
        let mut database = Database::new(Arc::new(schema));
        database.keep_ephemeral();
        for record in state.snapshot.iter().chain(&state.records) {
            database.replay(record).unwrap();
        }
        let log = SharedMemoryLog {
            cluster: self.clone(),
            member: state.members.len(),
            position: state.end(),
            mark: None,
            stored: Arc::default(),
        };
        state.members.push(Member {
            connected: true,
            ..Member::default()
        });
        (database, log)
    }

    /// Who owns a lock.
    pub(crate) fn owner(&self, lock: &str) -> Option<usize> {
        self.state().owner(lock)
    }

    /// How many records there were.
    pub(crate) fn end(&self) -> u64 {
        self.state().end()
    }

    /// How many are kept.
    pub(crate) fn kept(&self) -> usize {
        self.state().records.len()
    }

    /// Connects a server, or cuts it off. Its writes then wait for the connection.
    pub(crate) fn set_connected(&self, member: usize, connected: bool) {
        let mut state = self.state();
        state.members[member].connected = connected;
        if let Some(log) = &state.members[member].log {
            log(News::Connected(connected));
        }
        if !connected {
            let names: Vec<Str> = state.locks.keys().cloned().collect();
            for lock in names {
                state.lose(&lock, member);
            }
        }
        drop(state);
        self.0.changed.notify_all();
    }
}

impl State {
    /// A member can hold locks no longer; it comes last then.
    fn lose(&mut self, lock: &Str, member: usize) {
        let owned = self.owner(lock) == Some(member);
        let Some(queue) = self.locks.get_mut(lock) else {
            return;
        };
        let wanted = queue.contains(&member);
        queue.retain(|other| *other != member);
        if wanted {
            queue.push_back(member);
        }
        if owned {
            self.tell(member, LockEvent::Lost(lock.clone()));
            self.tell_owner(lock);
        }
    }
}

/// One server's end of the log.
pub(crate) struct SharedMemoryLog {
    cluster: Cluster,
    pub(crate) member: usize,
    position: u64,
    mark: Option<u64>,
    stored: Arc<Mutex<Option<(Record, Record)>>>,
}

impl SharedMemoryLog {
    pub(crate) fn locks(&self) -> MemoryLocks {
        MemoryLocks {
            cluster: self.cluster.clone(),
            member: self.member,
        }
    }

    /// The state, once there is a connection.
    fn connected(&self) -> MutexGuard<'_, State> {
        let state = self.cluster.state();
        let cut_off = |state: &mut State| !state.members[self.member].connected;
        let changed = &self.cluster.0.changed;
        changed.wait_while(state, cut_off).unwrap()
    }
}

impl Log for SharedMemoryLog {
    fn append(&mut self, records: &[Record], guards: &[Str]) -> Result<(), AppendError> {
        let mut state = self.connected();
        for guard in guards {
            if state.owner(guard) != Some(self.member) {
                return Err(AppendError::LockLost(guard.clone()));
            }
        }
        if state.end() != self.position {
            return Err(AppendError::Behind);
        }
        state.records.extend(records.iter().cloned());
        state.tell_others(self.member);
        let end = state.end();
        drop(state);
        self.position = end;
        Ok(())
    }

    fn catch_up(&mut self) -> Result<Vec<Update>, LogError> {
        let state = self.cluster.state();
        if !state.members[self.member].connected {
            return Err(LogError::Other {
                log: "memory".into(),
                reason: "not connected".into(),
            });
        }
        let mut updates = Vec::new();
        let mut skipped = 0;
        if self.position < state.first {
            updates.push(Update::Replaced {
                schema: state.schema.clone(),
                snapshot: state.snapshot.clone().unwrap(),
            });
        } else {
            skipped = usize::try_from(self.position - state.first).unwrap();
        }
        let rest = state.records.iter().skip(skipped).cloned();
        updates.extend(rest.map(Update::Record));
        let end = state.end();
        drop(state);
        self.position = end;
        Ok(updates)
    }

    fn replace(&mut self, schema: &Record, snapshot: &Record) -> Result<(), AppendError> {
        let mut state = self.connected();
        if state.end() != self.position {
            return Err(AppendError::Behind);
        }
        let end = self.position + 1;
        state.schema = schema.clone();
        state.snapshot = Some(snapshot.clone());
        state.records.clear();
        state.first = end;
        state.tell_others(self.member);
        drop(state);
        self.position = end;
        self.mark = None;
        Ok(())
    }

    fn begin_compaction(&mut self) -> Result<StoreSnapshot, LogError> {
        self.mark = Some(self.position);
        let stored = Arc::clone(&self.stored);
        Ok(Box::new(move |schema, snapshot| {
            *stored.lock().unwrap() = Some((schema.clone(), snapshot.clone()));
            Ok(())
        }))
    }

    fn end_compaction(&mut self, stored: bool) -> Result<(), LogError> {
        let snapshot = self.stored.lock().unwrap().take();
        let (Some(mark), true, Some((schema, snapshot))) = (self.mark.take(), stored, snapshot)
        else {
            return Ok(());
        };
        let mut state = self.cluster.state();
        if mark > state.first && schema == state.schema {
            let gone = usize::try_from(mark - state.first).unwrap();
            state.records.drain(..gone);
            state.first = mark;
            state.snapshot = Some(snapshot);
        }
        Ok(())
    }

    fn size(&self) -> Size {
        Size {
            now: 0,
            compacted: 0,
        }
    }

    fn watch(&mut self, watcher: Watcher) {
        self.cluster.state().members[self.member].log = Some(watcher);
    }

    fn state(&self) -> LogState {
        LogState {
            connected: self.cluster.state().members[self.member].connected,
            cluster: Some(Uuid::from_u128(0xc)),
            index: Some(self.position),
        }
    }
}

/// One server's end of the locks.
pub(crate) struct MemoryLocks {
    cluster: Cluster,
    member: usize,
}

impl MemoryLocks {
    /// The next event, while there is no watcher.
    pub(crate) fn poll_event(&self) -> Option<LockEvent> {
        self.cluster.state().members[self.member].events.pop_front()
    }
}

impl LockService for MemoryLocks {
    fn want(&self, lock: &str, steal: bool) {
        let mut state = self.cluster.state();
        let before = state.owner(lock);
        let queue = state.locks.entry(lock.into()).or_default();
        if steal && before != Some(self.member) {
            queue.retain(|other| *other != self.member);
            queue.push_front(self.member);
            if let Some(victim) = before {
                state.tell(victim, LockEvent::Lost(lock.into()));
            }
        } else if !queue.contains(&self.member) {
            queue.push_back(self.member);
        }
        if state.owner(lock) == Some(self.member) {
            state.tell(self.member, LockEvent::Owned(lock.into()));
        }
    }

    fn release(&self, lock: &str) {
        let mut state = self.cluster.state();
        let owned = state.owner(lock) == Some(self.member);
        if let Some(queue) = state.locks.get_mut(lock) {
            queue.retain(|other| *other != self.member);
        }
        if owned {
            state.tell_owner(lock);
        }
    }

    fn watch(&self, watcher: LockWatcher) {
        self.cluster.state().members[self.member].locks = Some(watcher);
    }
}
