//! The notes on a host about what was opened there by us: one file for each firewall and port. They say what is ours
//! where the rules themselves do not, and which ports are left open that no step names any more.

use super::known::Opening;
use super::registry::{ALL, LinuxFirewall, Word};

/// Where they are.
const FOLDER: &str = "/var/lib/fleetclock";

/// Returns where a firewall has its note about a port on the host.
pub fn path(word: &str, wanted: &Opening) -> String {
    let more = if wanted.is_ntp() { String::new() } else { format!("-{}-{}", wanted.ports(), wanted.protocol()) };
    format!("{FOLDER}/{word}{more}")
}

/// Returns shell text that prints `record=NAME` for each note that is there.
pub fn list() -> String {
    let globs = ALL.iter().map(|firewall| format!("{FOLDER}/{0} {FOLDER}/{0}-*", firewall.word()));
    let globs = globs.collect::<Vec<_>>().join(" ");
    format!("for fc_f in {globs}; do\n[ ! -s \"$fc_f\" ] || echo \"record=${{fc_f##*/}}\"\ndone")
}

/// Returns the firewall and the port that a note of this name is about.
pub fn read(name: &str) -> Option<(Word, Opening)> {
    let of = |firewall: &&dyn LinuxFirewall| match name.strip_prefix(firewall.word())? {
        "" => Some((Word::of(*firewall), Opening::default())),
        more => {
            let (ports, protocol) = more.strip_prefix('-')?.rsplit_once('-')?;
            Some((Word::of(*firewall), Opening::read(&format!("{ports}/{protocol}")).ok()?))
        }
    };
    ALL.iter().find_map(of)
}

/// Returns shell text that writes a note, before any rule is there: a run that dies leaves none unknown. `lines` are
/// words for the shell, in quotes; none takes the note away.
pub fn write(word: &str, wanted: &Opening, lines: &[String]) -> String {
    let record = path(word, wanted);
    let write = match lines.is_empty() {
        true => format!("rm -f {record}"),
        false => format!("printf '%s\\n' {} >{record}.new && mv {record}.new {record}", lines.join(" ")),
    };
    format!("mkdir -p {FOLDER}\n{}: >\"$FC_KEEP/begun\"\n{write}\n", keep(&record, "record"))
}

/// Returns shell text that keeps a file of ours for the undo: all of it or nothing, as half of one would be put back.
pub(super) fn keep(path: &str, name: &str) -> String {
    let copy = format!("\"$FC_KEEP/{name}\"");
    format!("[ ! -e {path} ] || {{ cp -p {path} \"$FC_KEEP/{name}.part\"; mv -f \"$FC_KEEP/{name}.part\" {copy}; }}\n")
}

/// Returns shell text that puts a note back as it was, if this run has touched it.
pub fn restore(word: &str, wanted: &Opening) -> String {
    let record = path(word, wanted);
    format!(
        "if [ -e \"$FC_KEEP/record\" ]; then cp -p \"$FC_KEEP/record\" {record}\nelif [ -e \"$FC_KEEP/begun\" ]; then rm -f {record}; fi\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_known_by_its_name() {
        for firewall in ALL {
            for port in ["123/udp", "4460/tcp", "60000-60100/udp"] {
                let port = Opening::read(port).unwrap();
                let path = path(firewall.word(), &port);
                let found = read(path.rsplit_once('/').unwrap().1);
                assert_eq!(found, Some((Word::of(*firewall), port)), "{path}");
            }
        }
        for other in ["firewalld.new", "firewalld-4460-tcp.new", "firewalld-", "firewalld-tcp", "runs"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
