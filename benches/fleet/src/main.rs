//! Many SSH servers in one process: every address from `--first` on is a host, and all of them are
//! one socket. They answer from recordings of real hosts, or make those recordings.
//!
//! It says what it has used of the processor, so that this is told apart from the program's own.

mod answers;
mod mask;
mod server;
mod slow;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use answers::Answers;
use clap::Parser;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use russh::server::{Config, run_stream};
use server::{Connection, Counts, Host};
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(about = "Many SSH servers that answer from recordings of real hosts")]
struct Arguments {
    /// Groups of hosts in the order of their addresses: GROUP:COUNT answers from DIR/GROUP,
    /// GROUP=COMMAND is one host that runs scripts by COMMAND and records them into DIR/GROUP.
    /// refused:COUNT refuses every login, silent:COUNT accepts connections and says nothing,
    /// dead:COUNT is an address at which nothing answers, slow:COUNT takes its time and else is as
    /// the hosts before it.
    #[arg(required = true)]
    groups: Vec<String>,
    /// The folder of the recordings.
    #[arg(long, value_name = "DIR")]
    recordings: PathBuf,
    /// Address of the first host.
    #[arg(long, default_value = "127.1.0.0")]
    first: Ipv4Addr,
    #[arg(long, default_value_t = 2222)]
    port: u16,
    /// The private key that all hosts have.
    #[arg(long, value_name = "FILE")]
    host_key: PathBuf,
    /// Round trip of the line, milliseconds.
    #[arg(long, default_value_t = 0)]
    round_trip: u64,
    /// What a slow host takes for each script, milliseconds.
    #[arg(long, default_value_t = 2000)]
    slow: u64,
}

/// What is at an address.
enum Place {
    Host(Host),
    Silent,
    Dead,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let places = places(&arguments)?;
    let dead = places.iter().enumerate().filter(|(_, place)| matches!(place, Place::Dead));
    // They stay until the end.
    let _dead = dead.map(|(n, _)| dead_end(&arguments, n)).collect::<Result<Vec<_>, _>>()?;
    let counts = Arc::new(Counts::default());
    let listener = listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, arguments.port)), 4096)?;
    let listener = TcpListener::from_std(listener.into())?;
    let mut end = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    eprintln!("{} hosts from {} on, port {}", places.len(), arguments.first, arguments.port);
    tokio::select! {
        failed = serve(&arguments, &places, &listener, &counts) => failed?,
        _ = end.recv() => {}
        _ = interrupt.recv() => {}
    }
    let count = |number: &std::sync::atomic::AtomicUsize| number.load(Ordering::Relaxed);
    let (connections, scripts, unknown) = (count(&counts.connections), count(&counts.scripts), count(&counts.unknown));
    println!("simulator: {connections} connections, {scripts} scripts, {unknown} unknown, {:.2} s of CPU", busy()?);
    Ok(())
}

/// Processor time of this process so far, seconds.
fn busy() -> Result<f64, Failure> {
    let used = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok((used.user_time().num_microseconds() + used.system_time().num_microseconds()) as f64 / 1e6)
}

fn places(arguments: &Arguments) -> Result<Vec<Place>, Failure> {
    let mut places = Vec::new();
    let mut answers: Option<Arc<Answers>> = None;
    let slow = Duration::from_millis(arguments.slow);
    for group in &arguments.groups {
        if let Some((name, command)) = group.split_once('=') {
            let real = Arc::new(Answers::real(command, arguments.recordings.join(name))?);
            places.push(Place::Host(Host { answers: Some(real), takes: Duration::ZERO }));
            continue;
        }
        let (name, count) = group.split_once(':').ok_or_else(|| format!("`{group}` is no GROUP:COUNT"))?;
        if !["dead", "silent", "refused", "slow"].contains(&name) {
            answers = Some(Arc::new(Answers::load(&arguments.recordings.join(name))?));
        }
        for _ in 0..count.parse::<u32>()? {
            places.push(match name {
                "dead" => Place::Dead,
                "silent" => Place::Silent,
                "refused" => Place::Host(Host { answers: None, takes: Duration::ZERO }),
                "slow" => Place::Host(Host { answers: answers.clone(), takes: slow }),
                _ => Place::Host(Host { answers: answers.clone(), takes: Duration::ZERO }),
            });
        }
    }
    Ok(places)
}

fn listen(address: SocketAddr, backlog: i32) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    // A dead host has its address beside the socket of all.
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// An address that drops every packet of a new connection: its queue is full, and nobody empties it.
fn dead_end(arguments: &Arguments, number: usize) -> Result<[Socket; 2], Failure> {
    let host = Ipv4Addr::from(u32::from(arguments.first) + u32::try_from(number)?);
    let address = SocketAddr::from((host, arguments.port));
    let full = listen(address, 0)?;
    let filler = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    filler.connect(&address.into())?;
    Ok([full, filler])
}

async fn serve(
    arguments: &Arguments,
    places: &[Place],
    listener: &TcpListener,
    counts: &Arc<Counts>,
) -> Result<(), Failure> {
    let config = Arc::new(config(&arguments.host_key)?);
    let unknown = Arc::new(arguments.recordings.join("unknown.script"));
    let round_trip = Duration::from_millis(arguments.round_trip);
    let mut silent = Vec::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let _ = stream.set_nodelay(true);
        let host = match place(&stream, arguments.first).and_then(|number| places.get(number)) {
            Some(Place::Host(host)) => host.clone(),
            Some(_) => {
                silent.push(stream);
                continue;
            }
            None => continue,
        };
        counts.connections.fetch_add(1, Ordering::Relaxed);
        let (counts, unknown) = (Arc::clone(counts), Arc::clone(&unknown));
        let connection = Connection { host, counts, unknown, sent: Vec::new() };
        tokio::spawn(talk(Arc::clone(&config), stream, connection, round_trip));
    }
}

/// The number of the host that a client has connected to.
fn place(stream: &TcpStream, first: Ipv4Addr) -> Option<usize> {
    let IpAddr::V4(address) = stream.local_addr().ok()?.ip() else { return None };
    usize::try_from(u32::from(address).checked_sub(u32::from(first))?).ok()
}

fn config(host_key: &Path) -> Result<Config, Failure> {
    Ok(Config {
        keys: vec![russh::keys::load_secret_key(host_key, None)?],
        auth_rejection_time: Duration::ZERO,
        ..Config::default()
    })
}

/// How it ends is seen by the client.
async fn talk(config: Arc<Config>, stream: TcpStream, connection: Connection, round_trip: Duration) {
    if round_trip.is_zero() {
        if let Ok(session) = run_stream(config, stream, connection).await {
            let _ = session.await;
        }
    } else if let Ok(session) = run_stream(config, slow::delayed(stream, round_trip).await, connection).await {
        let _ = session.await;
    }
}
