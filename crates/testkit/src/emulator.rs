//! The AWS emulator that `PAGEMILL_MINISTACK` names, on loopback and a free port, for one test.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A running emulator; dropping it ends its process.
#[derive(Debug)]
pub struct Emulator {
    process: Child,
    address: SocketAddrV4,
}

impl Emulator {
    /// Starts one; `None` where the test is to be skipped.
    ///
    /// # Panics
    /// When none is named and skips are not allowed, or it does not start.
    pub async fn start(test: &str) -> Option<Self> {
        let command = crate::needed(test, "PAGEMILL_MINISTACK", "the emulator's command")?;
        // A path, which may hold spaces, or a program and its arguments.
        let is_path = std::path::Path::new(&command).exists();
        let mut words = command.split_whitespace();
        let program = if is_path {
            Some(command.as_str())
        } else {
            words.next()
        };
        let program = program.expect("PAGEMILL_MINISTACK holds a command");
        let arguments = words.filter(|_| !is_path);
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_port());
        let process = Command::new(program)
            .args(arguments)
            .env("BIND_HOST", address.ip().to_string())
            .env("MINISTACK_HOST", address.ip().to_string())
            .env("GATEWAY_PORT", address.port().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
        let mut emulator = Self { process, address };
        emulator.wait_until_it_answers().await;
        Some(emulator)
    }

    /// Its address as a URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn wait_until_it_answers(&mut self) {
        let begun = Instant::now();
        while !self.is_healthy().await {
            let ended = self
                .process
                .try_wait()
                .expect("the emulator can be asked for its state");
            assert!(
                ended.is_none(),
                "the emulator ended before it answered: {ended:?}"
            );
            assert!(
                begun.elapsed() < START_TIMEOUT,
                "the emulator does not answer"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn is_healthy(&self) -> bool {
        let Ok(mut connection) = tokio::net::TcpStream::connect(self.address).await else {
            return false;
        };
        let request =
            "GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        if connection.write_all(request.as_bytes()).await.is_err() {
            return false;
        }
        let mut status = [0; 12];
        connection.read_exact(&mut status).await.is_ok() && status.ends_with(b"200")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}
