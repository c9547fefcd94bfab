//! The server core on a unix socket, with a thread for each connection: as little as a test needs.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ovsdb::log::{FileLog, Log, Opened};
use ovsdb::server::{DatabaseId, Environment, Limits, Server, SessionId};
use ovsdb::{Record, Uuid};

/// A server of ours on a socket. Its threads end with the test's process.
pub(crate) struct OurServer {
    pub(crate) socket: PathBuf,
    state: Arc<Mutex<State>>,
}

struct State {
    server: Server,
    logs: HashMap<DatabaseId, FileLog>,
    streams: HashMap<SessionId, UnixStream>,
    started: Instant,
}

impl OurServer {
    /// Serves databases on a socket in `dir`.
    pub(crate) fn start(dir: &Path, databases: Vec<Opened>) -> Self {
        let socket = dir.join("ours.sock");
        let mut server = Server::new(Uuid::from_u128(7), Limits::default());
        let mut logs = HashMap::new();
        for opened in databases {
            logs.insert(server.add_database(opened.database), opened.log);
        }
        let streams = HashMap::new();
        let state = State {
            server,
            logs,
            streams,
            started: Instant::now(),
        };
        let state = Arc::new(Mutex::new(state));
        let listener = UnixListener::bind(&socket).unwrap();
        let timed = Arc::clone(&state);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(5));
                lock(&timed).time();
            }
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                let stream = stream.unwrap();
                std::thread::spawn(move || serve(&shared, stream));
            }
        });
        Self { socket, state }
    }

    /// Ends the service and gives the files free.
    pub(crate) fn stop(self) {
        let mut state = lock(&self.state);
        state.logs.clear();
        for stream in state.streams.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn last_id(&self, database: &str) -> Uuid {
        let state = lock(&self.state);
        let id = state.server.database_id(database).unwrap();
        state.server.database(id).last_id()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap()
}

fn serve(shared: &Mutex<State>, mut stream: UnixStream) {
    let session = {
        let mut state = lock(shared);
        let session = state.server.connect();
        state.streams.insert(session, stream.try_clone().unwrap());
        session
    };
    let mut buffer = [0; 65536];
    while let Ok(count) = stream.read(&mut buffer)
        && count > 0
    {
        lock(shared).receive(session, &buffer[..count]);
    }
    let mut state = lock(shared);
    state.server.disconnect(session);
    state.streams.remove(&session);
    state.pump();
}

impl State {
    fn receive(&mut self, session: SessionId, bytes: &[u8]) {
        self.act(|server, environment| server.receive(session, bytes, environment));
    }

    /// Ends the waits whose time is over.
    fn time(&mut self) {
        let now = self.started.elapsed().as_millis() as u64;
        if self.server.poll_timeout().is_some_and(|at| at <= now) {
            self.act(|server, environment| server.handle_timeout(environment));
        }
    }

    fn act(&mut self, act: impl FnOnce(&mut Server, &mut Environment<'_>)) {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_millis() as u64;
        let now = self.started.elapsed().as_millis() as u64;
        let mut environment = Environment {
            wall,
            now,
            new_uuid: &mut Uuid::new_v4,
        };
        act(&mut self.server, &mut environment);
        self.pump();
        // What had to wait for the log.
        self.server.proceed(&mut environment);
        self.pump();
    }

    fn pump(&mut self) {
        while let Some(staged) = self.server.poll_commit() {
            if let (Some(record), Some(log)) =
                (&staged.commit.record, self.logs.get_mut(&staged.database))
            {
                log.append(&[Record::clone(record)], &[]).unwrap();
            }
            let changes = self.server.durable(staged.database, staged.commit.revision);
            assert_eq!(changes.len(), 1);
        }
        while let Some(session) = self.server.poll_ready() {
            while let Some(bytes) = self.server.poll_output(session) {
                if let Some(stream) = self.streams.get_mut(&session) {
                    let _ = stream.write_all(&bytes);
                }
            }
        }
        while let Some((session, _)) = self.server.poll_close() {
            if let Some(stream) = self.streams.get(&session) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}
