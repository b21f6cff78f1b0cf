//! What a time service was really started with. The file that is managed rules only if the running
//! service has loaded it: another file, a family, `-x`, or commands at run time may rule instead.

use std::net::IpAddr;

use anyhow::{Result, anyhow};
use ipnet::IpNet;

use super::Slice;
use crate::exit::Hint;
use crate::inventory::HostSpec;
use crate::provider::started::lines;
use crate::provider::{LinuxProvider, passed};
use crate::transport::quote::sh;

mod arguments;

use arguments::Arguments;

/// What a service shall be started with.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The time service.
    provider: &'static dyn LinuxProvider,
    /// Its configuration file.
    pub config: String,
    /// The addresses that it has to reach: its sources, as far as they are numbers, and those it serves.
    addresses: Vec<IpAddr>,
    /// Networks that it serves.
    serve: Vec<IpNet>,
    /// Whether it has to set the clock.
    sets_clock: bool,
}

impl Wanted {
    /// Puts together what the inventory says of it.
    pub fn new(spec: &HostSpec, provider: &'static dyn LinuxProvider, config: &str) -> Self {
        let sources = spec.time.sources.iter().filter_map(|source| source.address.parse().ok());
        let served = spec.time.serve.iter().map(IpNet::network);
        Wanted {
            provider,
            config: config.to_owned(),
            addresses: sources.chain(served).collect(),
            serve: spec.time.serve.clone(),
            sets_clock: spec.time.sets_clock,
        }
    }

    /// Returns shell text that prints the state of the unit, and what it was and would be started with. What changes by
    /// itself, as a process number does, is not printed: a saved plan compares it.
    pub(super) fn probe(&self, unit: &str) -> String {
        let runtime = self.provider.runtime(&self.config, &self.serve);
        let passed = PASSED.replace("@PASSED@", &self.provider.passed_over());
        (PROBE.to_owned() + &runtime + &passed).replace("@UNIT@", unit).replace("@CONFIG@", &sh(&self.config))
    }

    /// What the running service was started with and shall not be, if a restart puts it right.
    ///
    /// # Errors
    /// The unit itself has it so: says in which file.
    pub(super) fn differs(&self, seen: &Slice, unit: &str, runs: bool) -> Result<Option<String>> {
        let would = self.faults(&arguments::of_unit(seen), seen);
        if let Some((fault, token)) = would.first() {
            return Err(self.refusal(seen, unit, fault, token));
        }
        let running: Vec<String> = lines(seen, "arg=").map(str::to_owned).collect();
        if !runs || running.is_empty() {
            return Ok(None);
        }
        let faults = self.faults(&running, seen);
        let unit_line = arguments::of_unit(seen);
        if let Some((fault, token)) = faults.first().filter(|_| self.read(&unit_line).is_none()) {
            // What another program makes of the unit's options is not known, so a restart may bring the same.
            return Err(self.refusal(seen, unit, fault, token));
        }
        let faults: Vec<String> = faults.into_iter().map(|(fault, _)| fault).collect();
        Ok((!faults.is_empty()).then(|| faults.join(", ")))
    }

    fn read(&self, line: &[String]) -> Option<Arguments> {
        Arguments::read(line, self.provider.command_line()?)
    }

    /// What is wrong with a command line, and the word of it that says so.
    fn faults(&self, line: &[String], seen: &Slice) -> Vec<(String, String)> {
        let Some(arguments) = self.read(line) else { return Vec::new() };
        let mut faults = Vec::new();
        let same = |path: &str| path == self.config || lines(seen, "same=").any(|same| same == path);
        if let Some(path) = arguments.config.as_deref().filter(|path| !same(path)) {
            faults.push((format!("it loads {path} and not {}", self.config), path.to_owned()));
        }
        if let Some(directive) = arguments.directives.first() {
            faults.push((
                format!("directives stand on its command line (`{directive}`), and no file is loaded"),
                directive.clone(),
            ));
        }
        for (on, word, lost) in [(arguments.four, "-4", false), (arguments.six, "-6", true)] {
            if on && self.addresses.iter().any(|address| address.is_ipv4() == lost) {
                faults.push((format!("`{word}` keeps it from addresses of the other family"), word.to_owned()));
            }
        }
        if arguments.no_clock && self.sets_clock && lines(seen, "clock=locked").next().is_none() {
            faults.push(("`-x`: it never sets the clock".to_owned(), "-x".to_owned()));
        }
        if let Some(word) = arguments.once {
            faults.push((format!("`{word}`: it ends when it has measured, and is no service"), word));
        }
        faults
    }

    fn refusal(&self, seen: &Slice, unit: &str, fault: &str, token: &str) -> anyhow::Error {
        if let Some(path) = lines(seen, "dhcp=").find(|path| *path == token) {
            let file = self.provider.defaults(&self.config, unit).unwrap_or("the file of its options");
            let text = format!("{unit}.service loads {path}, which DHCP has written, and not {}", self.config);
            return anyhow!(text).hint(&format!("set IGNORE_DHCP=yes in {file}"));
        }
        let holds = |line: &&str| line.split_once(':').is_some_and(|(_, text)| text.contains(token));
        let file =
            lines(seen, "line=").filter(holds).filter_map(|line| line.split_once(':')).map(|(file, _)| file).last();
        let place = file.map_or_else(|| format!("the unit (`systemctl cat {unit}`)"), str::to_owned);
        let way = match token {
            "-x" => "; where the clock is not the host's to set, say `sets_clock: false`",
            _ => "",
        };
        anyhow!("{unit}.service is not started as it is wanted: {fault}")
            .hint(&format!("take `{token}` out of {place}, then `systemctl daemon-reload`{way}"))
    }

    /// What commands have changed in the running service since it has loaded its file.
    pub(super) fn changed_at_run_time(&self, seen: &Slice) -> Option<String> {
        self.provider.changed_at_run_time(seen, &self.serve)
    }
}

/// The lines of its file that the running service has passed over when it started.
pub(super) fn passed_over(seen: &Slice) -> Option<String> {
    let all: Vec<String> = lines(seen, "passed=").filter_map(passed::words).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Why systemd did not start the unit, in its own words, if a condition was not met when it last tried.
pub(super) fn unmet(seen: &Slice) -> Option<String> {
    let said = lines(seen, "unmet=").map(str::trim).find(|text| !text.is_empty()).map(str::to_owned);
    let declared = || {
        let conditions = lines(seen, "line=").filter_map(|line| line.split_once(':')).map(|(_, text)| text);
        conditions
            .filter(|text| text.starts_with("Condition") || text.starts_with("Assert"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    lines(seen, "unmet=").next()?;
    Some(format!("a condition of its unit is not met: {}", said.unwrap_or_else(declared)))
}

/// The clock is not the host's to set where the right to it is missing (`CAP_SYS_TIME`, bit 25), where that
/// right is one of another user namespace, or where a filter of system calls refuses it. Only a container whose
/// service runs with `-x`, or would, is asked for the last: by a time before 1970, which no kernel takes.
/// Each program that is started costs a host more than all that the shell does by itself.
const PROBE: &str = r#"
fc_show=$(systemctl show -p LoadState -p ActiveState -p UnitFileState -p MainPID -p ConditionResult -p AssertResult -p ConditionTimestampMonotonic -p FragmentPath -p DropInPaths -p EnvironmentFiles -p ExecStart @UNIT@.service) || exit
fc_pid= fc_paths= fc_env= fc_exec= fc_met=yes fc_tried=yes
set -f
fc_old=$IFS IFS='
'
for fc_l in $fc_show; do
fc_v=${fc_l#*=}
case $fc_l in
LoadState=* | ActiveState=* | UnitFileState=*) printf '%s\n' "$fc_l" ;;
MainPID=*) fc_pid=$fc_v ;;
ConditionTimestampMonotonic=0) fc_tried= ;;
ConditionResult=no | AssertResult=no) fc_met= ;;
FragmentPath=?* | DropInPaths=?*) fc_paths="$fc_paths $fc_v" ;;
EnvironmentFiles=?*) fc_env="$fc_env ${fc_v%% (*}" ;;
ExecStart=*'argv[]='*' ; ignore_errors='*) fc_v=${fc_v##*'argv[]='}; fc_v=${fc_v%' ; ignore_errors='*}; fc_exec="$fc_exec $fc_v"; printf '%s\n' "exec=$fc_v" ;;
esac
done
[ -n "$fc_met" ] || [ -z "$fc_tried" ] ||
echo "unmet=$(systemctl status @UNIT@.service 2>/dev/null | sed -n 's/.*[^A-Za-z]\([CA][a-z]*[A-Z][^ ]*=.*\) was not met.*/\1/p' | head -n 1)"
fc_args=
[ "${fc_pid:-0}" -gt 0 ] && fc_args=$(tr '\0' '\n' <"/proc/$fc_pid/cmdline" 2>/dev/null)
for fc_a in $fc_args; do
printf '%s\n' "arg=$fc_a"
fc_f=${fc_a#-[fc]}; fc_f=${fc_f#--configfile=}
[ "$fc_f" -ef @CONFIG@ ] && printf '%s\n' "same=$fc_f"
done
IFS=$fc_old
grep -HsE '^[[:space:]]*(ExecStart|Environment|Condition[A-Za-z]*|Assert[A-Za-z]*|[A-Z_]*OPTS|[A-Z_]*OPTIONS|IGNORE_DHCP)=' $fc_paths $fc_env /etc/default/@UNIT@ /etc/sysconfig/@UNIT@ | sed 's/^\([^:]*\):[[:space:]]*/line=\1:/'
for fc_f in /run/ntpsec/ntp.conf.dhcp /run/ntp.conf.dhcp; do [ -e "$fc_f" ] && echo "dhcp=$fc_f"; done
while read -r fc_l fc_cap; do [ "$fc_l" != CapBnd: ] || break; done 2>/dev/null </proc/1/status
case ${fc_cap%??????} in '' | *[2367abefABEF]) ;; *) echo clock=locked ;; esac
{ read -r fc_a fc_b fc_c </proc/1/uid_map; } 2>/dev/null && [ "$fc_b $fc_c" != '0 4294967295' ] && echo clock=locked
fc_measures() {
IFS="=\"' 
"
for fc_a in $fc_args $fc_exec $(cat /etc/default/@UNIT@ /etc/sysconfig/@UNIT@ 2>/dev/null); do
case $fc_a in -*x*) fc_a=${fc_a#-}; case ${fc_a%%x*} in *[!A-Za-z0-9]*) ;; *) return 0 ;; esac ;; esac
done
return 1
}
[ -e /run/systemd/container ] && fc_measures && case $(LC_ALL=C date -s @-1 2>&1) in *'not permitted'*) echo clock=locked ;; esac
IFS=$fc_old
set +f
"#;

const PASSED: &str = r#"
fc_unit=@UNIT@ fc_config=@CONFIG@ fc_key=passed=
@PASSED@
:"#;

#[cfg(test)]
mod tests;
