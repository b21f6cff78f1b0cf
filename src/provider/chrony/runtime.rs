//! What `chronyc` has changed in a running chronyd since it has loaded its file: sources that were
//! added, deleted or put offline, and clients that were denied. A restart takes it all back.

use ipnet::IpNet;

use crate::model::Slice;
use crate::provider::started::{is_one_of, lines};
use crate::transport::quote::sh;

/// Networks whose access is asked for.
const MOST_NETWORKS: usize = 8;

/// Shell text that prints what the file says of sources and access, and what the service says.
/// `-N`, the names of the configuration, came with chrony 4.0; an older one is not compared.
pub(super) fn probe(config: &str, serve: &[IpNet]) -> String {
    let asked: Vec<String> =
        serve.iter().take(MOST_NETWORKS).map(|net| format!("{}={}", net.network(), sh(&net.to_string()))).collect();
    PROBE.replace("@CONFIG@", &sh(config)).replace("@SERVE@", &asked.join(" "))
}

const PROBE: &str = r#"
if [ "${fc_pid:-0}" -gt 0 ] && fc_n=$(timeout 5 chronyc -N -c -m sources activity 2>/dev/null); then
echo named=yes
fc_old=$IFS IFS='
'
set -f
for fc_l in $fc_n; do
case $fc_l in
'=',* | '^',*) fc_l=${fc_l#*,*,}; printf '%s\n' "source=${fc_l%%,*}" ;;
[0-9]*) IFS=,; set -- $fc_l
[ "$((${2:-0} + ${4:-0}))" = 0 ] || echo "offline=$((${2:-0} + ${4:-0}))"
[ "${5:-0}" = 0 ] || echo unresolved=yes ;;
esac
done | sort -u
IFS=$fc_old
set +f
for fc_f in @SERVE@; do
case $(timeout 5 chronyc accheck "${fc_f%%=*}" 2>/dev/null) in 209*) echo "denied=${fc_f#*=}" ;; esac
done
grep -iE '^[[:space:]]*(server|peer|pool|include|confdir|sourcedir|allow|deny)([[:space:]]|$)' @CONFIG@ 2>/dev/null | sed 's/^[[:space:]]*/conf=/'
fi
:"#;

/// Says what differs from the file.
pub(super) fn changed(seen: &Slice, serve: &[IpNet]) -> Option<String> {
    lines(seen, "named=").next()?;
    let conf: Vec<Vec<&str>> = lines(seen, "conf=").map(|line| line.split_whitespace().collect()).collect();
    let more = conf.iter().any(|words| is_one_of(words, &["include", "confdir", "sourcedir"]));
    let declared: Vec<&Vec<&str>> = conf.iter().filter(|words| is_one_of(words, &["server", "peer", "pool"])).collect();
    let names: Vec<&str> = declared.iter().filter_map(|words| words.get(1).copied()).collect();
    let running: Vec<&str> = lines(seen, "source=").collect();
    let mut said: Vec<String> = Vec::new();
    said.extend(running.iter().filter(|name| !more && !names.contains(name)).map(|name| format!("{name} added")));
    let resolved = lines(seen, "unresolved=").next().is_none();
    said.extend(names.iter().filter(|name| resolved && !running.contains(name)).map(|name| format!("{name} deleted")));
    let offline = declared.iter().any(|words| words.iter().any(|word| word.eq_ignore_ascii_case("offline")));
    said.extend(lines(seen, "offline=").filter(|_| !offline).map(|count| format!("{count} offline")));
    let allowed = |net: &&str| {
        let line = conf.iter().any(|words| is_one_of(words, &["allow"]) && words.get(1) == Some(net));
        line && !more
            && !conf.iter().any(|words| is_one_of(words, &["deny"]))
            && serve.iter().any(|one| one.to_string() == **net)
    };
    said.extend(lines(seen, "denied=").filter(allowed).map(|net| format!("{net} denied")));
    (!said.is_empty()).then(|| said.join(", "))
}
