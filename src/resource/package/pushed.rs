//! A package whose files come from a folder of this machine: which of them a host needs, and how they are installed
//! there and taken out again, without a repository.

use anyhow::{Result, anyhow};

use super::{Package, State, WITHOUT_START, patiently, words};
use crate::exit::Hint as _;
use crate::facts::PackageManager;
use crate::model::{Delta, Slice};
use crate::packages::{File, Folder, Format, Host, Installed, Offer, Relation};
use crate::resource::{Brought, Fix};
use crate::text::decisive::STAGE;
use crate::transport::quote::sh;

fn format(manager: PackageManager) -> Format {
    match manager {
        PackageManager::Apt => Format::Deb,
        PackageManager::Dnf | PackageManager::Yum | PackageManager::Zypper => Format::Rpm,
    }
}

/// What the host has of all that the files may need, or cannot be beside: nothing else is asked for.
pub(super) fn probe(package: &Package, folder: &Folder) -> String {
    let (name, format) = (sh(&package.name), format(package.manager));
    let known = folder.names(format, &package.name);
    let (paths, names): (Vec<&str>, Vec<&str>) = known.into_iter().partition(|name| name.starts_with('/'));
    match format {
        Format::Deb => format!(
            "[ \"$(dpkg-query -W -f '${{db:Status-Status}}' {name} 2>/dev/null)\" = installed ] && {{ echo installed; exit 0; }}\n\
             printf 'arch\\t%s\\n' \"$(dpkg --print-architecture)\"\n\
             dpkg-query -W -f '${{db:Status-Status}}\\t${{Architecture}}\\t${{Package}}\\t${{Version}}\\t${{Provides}}\\t${{Conflicts}}, ${{Breaks}}\\n' |\n\
             grep '^installed' | grep -F {} || :",
            sh(&names.join("\n"))
        ),
        Format::Rpm => {
            let names: Vec<String> = names.iter().map(|name| format!("\t{name}\t")).collect();
            let paths: String = paths.iter().map(|path| format!(" {}", sh(path))).collect();
            format!(
                "rpm -q {name} >/dev/null 2>&1 && {{ echo installed; exit 0; }}\n\
                 printf 'arch\\t%s\\n' \"$(rpm --eval '%{{_arch}}')\"\n\
                 for fc_p in{paths}; do [ ! -e \"$fc_p\" ] || printf 'file\\t%s\\t\\n' \"$fc_p\"; done\n\
                 rpm -qa --qf '[%{{=NAME}}\\t%{{PROVIDENAME}}\\t%{{PROVIDEVERSION}}\\n]' | grep -F {} || :",
                sh(&names.join("\n"))
            )
        }
    }
}

/// Reads what the probe printed.
fn host(format: Format, text: &str) -> Host {
    let mut host = Host::default();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match (format, fields.as_slice()) {
            (_, ["arch", arch]) => host.arch = (*arch).to_owned(),
            (Format::Deb, ["installed", arch, name, version, offers, conflicts]) if format.runs(arch, &host.arch) => {
                host.installed.push(Installed {
                    name: (*name).to_owned(),
                    version: (*version).to_owned(),
                    offers: Offer::list(offers),
                    conflicts: Relation::lists(conflicts).into_iter().flatten().collect(),
                });
            }
            (Format::Rpm, [owner, name, version]) => provided(&mut host, owner, name, version),
            _ => {}
        }
    }
    host
}

/// What a package of rpm stands for, its own name among it.
fn provided(host: &mut Host, owner: &str, name: &str, version: &str) {
    let at = host.installed.iter().position(|known| known.name == owner).unwrap_or_else(|| {
        host.installed.push(Installed { name: owner.to_owned(), ..Installed::default() });
        host.installed.len() - 1
    });
    let Some(installed) = host.installed.get_mut(at) else { return };
    if owner == name {
        installed.version = version.to_owned();
    }
    let version = (!version.is_empty()).then(|| version.to_owned());
    installed.offers.push(Offer { name: name.to_owned(), version });
}

pub(super) fn state<'a>(package: &Package, folder: &'a Folder, seen: &Slice) -> Result<State<'a>> {
    let format = format(package.manager);
    let host = host(format, &seen.stdout);
    if host.arch.is_empty() {
        let why = anyhow!("package `{}`: the host does not say what its packages are built for", package.name);
        return Err(why.hint("see `dpkg --print-architecture` or `rpm --eval '%{_arch}'` on the host"));
    }
    let chosen = folder.choose(format, &package.name, &host)?;
    let removed = chosen.removed.iter().map(|gone| (gone.name.clone(), gone.version.clone())).collect();
    let version = chosen.files.first().map(|file| file.header.version.clone()).unwrap_or_default();
    Ok(State::Available { version, removed, files: chosen.files })
}

pub(super) fn delta(file: &File) -> Delta {
    let to = format!("{} ({}, pushed)", file.header.version, file.name);
    Delta::new(format!("package {}", file.header.name), "installed", None, Some(to))
}

/// What a saved plan compares.
pub(super) fn reviewed(files: &[&File], removed: &[(String, String)]) -> String {
    let files = files.iter().map(|file| format!("{} {}\n", file.sha256, file.name));
    files.chain(removed.iter().map(|(name, version)| format!("- {name} {version}\n"))).collect()
}

/// Installs the files, and takes them out again.
pub(super) fn fix(package: &Package, folder: &Folder, files: &[&File], removed: &[(String, String)]) -> Fix {
    let names = words(&files.iter().map(|file| file.header.name.as_str()).collect::<Vec<_>>());
    let paths: Vec<String> = files.iter().map(|file| sh(&format!("./{}", file.name))).collect();
    let paths = paths.join(" ");
    let arrived: String = files.iter().map(|file| arrived(file)).collect();
    let (change, undo) = match format(package.manager) {
        Format::Deb => (
            format!(
                "{STATUS}{REPACK}{arrived}fc_before {names}\n{WITHOUT_START}mkdir -p old\n{}{}\n",
                make_room(removed),
                patiently(&format!("DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i {paths}"))
            ),
            format!(
                "{STATUS}{WITHOUT_START}{}",
                UNDO_DEB
                    .replace("@NAMES@", &names)
                    .replace("@REMOVE@", &patiently("dpkg --remove $fc_new"))
                    .replace("@KEEP@", &patiently("dpkg --set-selections <selections"))
                    .replace("@BACK@", &patiently("DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i \"$fc_o\""))
            ),
        ),
        Format::Rpm => (
            format!(
                "for fc_p in {names}; do ! rpm -q \"$fc_p\" >/dev/null 2>&1 || {{ echo \"{STAGE}$fc_p was installed by somebody else since the host was read\" >&2; exit 1; }}; done\n\
                 {arrived}: >before\nrpm -U --quiet {paths}\n"
            ),
            format!(
                "fc_new=\n\
                 for fc_p in {names}; do ! rpm -q \"$fc_p\" >/dev/null 2>&1 || fc_new=\"$fc_new $fc_p\"; done\n\
                 [ -z \"$fc_new\" ] || rpm -e $fc_new"
            ),
        ),
    };
    let brings = files.iter().map(|file| Brought {
        path: folder.path.join(&file.name),
        name: file.name.clone(),
        sha256: file.sha256.clone(),
    });
    let change = format!("cd \"$FC_KEEP\"\n{change}rm -f {paths}");
    let undo = format!("cd \"$FC_KEEP\" 2>/dev/null || exit 0\nrm -f {paths}\n[ -e before ] || exit 0\n{undo}");
    Fix { change, undo, brings: brings.collect(), ..Fix::default() }
}

/// dpkg takes away what cannot be there with a new package where it is told that it need not stay; what depends on it
/// has to find the new one as good.
fn make_room(removed: &[(String, String)]) -> String {
    if removed.is_empty() {
        return String::new();
    }
    let gone = words(&removed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
    let selected = patiently("dpkg --set-selections <selections");
    format!(
        "for fc_p in {gone}; do fc_repack \"$fc_p\"; done\n\
         printf '%s deinstall\\n' {gone} >selections\n{selected}\n"
    )
}

/// Nothing is installed before it is known to be what was sent.
fn arrived(file: &File) -> String {
    let (name, sha256) = (sh(&format!("./{}", file.name)), &file.sha256);
    format!(
        "fc_d=$(sha256sum <{name})\n\
         [ \"${{fc_d%% *}}\" = {sha256} ] || {{ echo \"{STAGE}the host did not get \"{name}\" as it was sent (is its disk full?); nothing was installed\" >&2; exit 1; }}\n"
    )
}

/// `fc_status NAME`: what dpkg says of a package.
const STATUS: &str = "fc_status() { dpkg-query -W -f '${db:Status-Status}' \"$1\" 2>/dev/null || :; }\n";

/// Notes which packages have left their configuration, and makes a .deb of one that will go: nobody else could bring
/// it back.
const REPACK: &str = r#"fc_before() {
for fc_p; do
case $(fc_status "$fc_p") in
'' | not-installed) ;;
config-files) echo "$fc_p" ;;
*) echo "fleetclock: $fc_p was installed by somebody else since the host was read" >&2; exit 1 ;;
esac
done >before.new
mv before.new before
}
fc_repack() {
rm -rf tree; mkdir -p tree/DEBIAN
dpkg-query -s "$1" | sed -e '/^Status:/d' -e '/^Config-Version:/d' -e '/^Conffiles:/,/^[^ ]/{/^Conffiles:/d;/^ /d;}' >tree/DEBIAN/control
dpkg-query --control-path "$1" | while IFS= read -r fc_f; do cp -p "$fc_f" "tree/DEBIAN/${fc_f##*.}"; done
dpkg-query -L "$1" >list
while IFS= read -r fc_f; do
[ "$fc_f" != /. ] || continue
[ -e "$fc_f" ] || [ -h "$fc_f" ] || continue
# Of a link to a folder the package has what is beneath it.
if [ -h "$fc_f" ] && grep -qF -e "$fc_f/" list; then continue; fi
printf '%s\n' "${fc_f#/}"
done <list >there
tar -C / --no-recursion -cf - -T there | tar -C tree -xpf -
dpkg-deb -b tree "old/$1.deb" >/dev/null
rm -rf tree list there
}
"#;

/// What was not there before goes with its configuration, what was there comes back.
const UNDO_DEB: &str = r#"fc_new=
for fc_p in @NAMES@; do case $(fc_status "$fc_p") in '' | not-installed | config-files) ;; *) fc_new="$fc_new $fc_p" ;; esac; done
if [ -n "$fc_new" ]; then
@REMOVE@
fi
for fc_p in @NAMES@; do
[ "$(fc_status "$fc_p")" != config-files ] || grep -qxF -e "$fc_p" before || dpkg --purge "$fc_p" >/dev/null
done
for fc_o in old/*.deb; do
[ -e "$fc_o" ] || continue
fc_p=${fc_o#old/}
[ "$(fc_status "${fc_p%.deb}")" != installed ] || continue
@BACK@
done
if [ -e selections ]; then
sed -i 's/deinstall$/install/' selections
@KEEP@
fi"#;
