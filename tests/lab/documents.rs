//! What the documents show of commands that need hosts, typed on the control side by a user who has a key, and asked
//! by a shell on a terminal.

mod slow {
    use std::path::Path;

    use crate::blocks::{Place, calls, documents, shown};
    use crate::fixture::Lab;

    /// The hosts of the documents.
    const INVENTORY: &str = "defaults: { ssh: { user: ops, become: sudo } }\ngroups:\n  masters: { role: master, isolated: true, serve: [10.10.10.0/24], hosts: { server1: 10.10.10.1 } }\n  slaves: { role: slave, follows: [masters], hosts: { server2: 10.10.10.2 } }\n";

    /// Keeps the exit code of each call, and answers what the program asks: what is typed before a question is thrown
    /// away, so it is typed again and again.
    const SHELL: &str = r#"
cd "$1"; export HOME="$2" XDG_STATE_HOME="$2/state" PATH="$3:/usr/bin:/bin" LC_ALL=C.UTF-8; unset SSH_AUTH_SOCK
cat >rc <<'RC'
fleetclock() { command fleetclock "$@"; local code=$?; echo "$code fleetclock $*" >>codes; return $code; }
RC
while sleep 0.5; do printf 'yes\n'; done | timeout 300 script -qefc "bash --noprofile --norc -c '. ./rc; . ./block'" said
"#;

    #[test]
    #[ignore = "needs root"]
    fn what_the_documents_show_is_done_on_hosts() {
        let lab = Lab::up("docs", &["server1=bookworm@10.10.10.1", "server2=bookworm@10.10.10.2"], INVENTORY);
        let home = lab.path("home");
        let (ssh, dir) = (home.join(".ssh"), lab.path("."));
        lab.here(&format!("mkdir -p {0}; cp {1}/id_ed25519 {1}/known_hosts {0}", ssh.display(), dir.display()));
        let folder = lab.path("documents");
        std::fs::create_dir_all(&folder).unwrap();
        let mut ran = 0;
        for path in documents() {
            let mut blocks: Vec<_> =
                shown(&path).blocks.into_iter().filter(|block| block.place != Place::Nowhere).collect();
            // What comes before makes what the others need.
            let Some(last) = blocks.iter().rposition(|block| block.place == Place::Lab) else { continue };
            blocks.truncate(last + 1);
            // Each document begins with hosts as they are wanted; the README with new ones.
            std::fs::write(folder.join("fleet.yml"), INVENTORY).unwrap();
            if ran > 0 {
                typed(&lab, &folder, &path.display().to_string(), "fleetclock apply --yes --quiet\n");
            }
            for block in blocks {
                // What is made without hosts is there already in a folder of its own, as `init` finds.
                if block.commands.contains("fleetclock init") {
                    continue;
                }
                typed(&lab, &folder, &format!("{}:{}", block.file, block.line), &block.commands);
                ran += 1;
            }
        }
        assert!(ran >= 7, "only {ran} blocks were run");
    }

    /// Types a block, and answers what it asks; every call has to end well.
    #[track_caller]
    fn typed(lab: &Lab, folder: &Path, place: &str, block: &str) {
        std::fs::write(folder.join("block"), block).unwrap();
        let _ = std::fs::remove_file(folder.join("codes"));
        lab.control(SHELL, &[folder, &lab.path("home")]);
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let (codes, said) = (read("codes"), read("said"));
        let fine = codes.lines().filter(|line| line.starts_with("0 ")).count();
        assert!(fine == codes.lines().count() && fine == calls(block).len(), "{place}:\n{codes}\n{said}");
    }
}
