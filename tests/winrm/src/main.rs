//! A stand-in for Windows Remote Management: WS-Man over HTTP and HTTPS, NTLMv2 with sealing, and
//! command lines that Wine runs. `winrm-standin HOME NAME LOCALE NAME-OR-ADDRESS...`
//!
//! HOME has `prefix` (the host's Wine prefix), `exchange` (its drive Y:), `accounts` (lines of
//! name, password, `administrator` or `user`, and for one of a domain its names, with tabs) and `faults`; `requests`, `log` and
//! `ca.pem` are written there, `tasks` and `passed` are the Task Scheduler's, and `ready` is there as
//! soon as clients may come.

mod faults;
mod frame;
mod http;
mod journal;
mod ntlm;
mod server;
mod shell;
mod soap;
mod task;
mod tasks;
mod tls;
mod wine;

use std::error::Error;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use faults::Faults;
use journal::Journal;
use ntlm::Account;
use server::Server;
use shell::Shells;
use tasks::Tasks;
use tls::Certificates;
use wine::Wine;

const HTTP_PORT: u16 = 5985;
const HTTPS_PORT: u16 = 5986;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(home), Some(name), Some(locale)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: winrm-standin HOME NAME LOCALE NAME-OR-ADDRESS...".into());
    };
    let home = PathBuf::from(home);
    let journal = Arc::new(Journal::open(&home)?);
    journal.note("started");
    let wine = Wine::new(&home, &locale, journal.clone());
    let _wineserver = wine.boot()?;
    let tasks = Tasks::boot(&home, Wine::new(&home, &locale, journal.clone()), journal.clone())?;
    thread::spawn(move || tasks.serve());
    let server = Arc::new(Server {
        accounts: accounts(&home)?,
        shells: Shells::new(wine, journal.clone()),
        faults: Faults::new(home.join("faults")),
        certificates: Certificates::make(&home, &[vec![name.clone()], arguments.collect()].concat())?,
        journal,
        name,
    });
    let listeners = [(TcpListener::bind(("::", HTTP_PORT))?, false), (TcpListener::bind(("::", HTTPS_PORT))?, true)];
    std::fs::write(home.join("ready"), "")?;
    let threads = listeners.map(|(listener, secure)| {
        let server = server.clone();
        thread::spawn(move || listen(&listener, &server, secure))
    });
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

fn listen(listener: &TcpListener, server: &Arc<Server>, secure: bool) {
    for stream in listener.incoming().flatten() {
        let server = server.clone();
        thread::spawn(move || {
            if let Err(error) = server.serve(stream, secure) {
                server.journal.note(&format!("connection: {error}"));
            }
        });
    }
}

fn accounts(home: &Path) -> Result<Vec<Account>, Box<dyn Error>> {
    let text = std::fs::read_to_string(home.join("accounts"))?;
    let account = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        Some(Account {
            name: fields.next()?,
            password: fields.next()?,
            administrator: fields.next()? == "administrator",
            domain: fields.next().unwrap_or_default(),
        })
    };
    Ok(text.lines().filter_map(account).collect())
}
