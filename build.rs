//! Compiles the small probe that travels to the hosts, with the compiler that cargo uses.
#![expect(clippy::disallowed_methods, reason = "a build script runs the compiler")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the catalogues, `ko.po` and the like.
const LANGUAGES: &str = "po";

fn main() {
    for file in [
        "probe/main.rs",
        "probe/numbers.rs",
        "probe/ports.rs",
        "probe/system.rs",
        "src/ntp/timestamp.rs",
        "src/ntp/packet.rs",
        "src/ntp/error.rs",
        "src/ntp/exchange.rs",
    ] {
        println!("cargo::rerun-if-changed={file}");
    }
    let folder = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    if let Err(error) = languages(&folder.join("languages.rs")) {
        println!("cargo::error=list the languages in {LANGUAGES}: {error}");
    }
    let out = folder.join("probe");
    if !compile(&out) {
        println!(
            "cargo::warning=the static probe could not be compiled here; hosts are probed with bash, which is slower and less exact; a C linker (`cc`) is needed"
        );
        if let Err(error) = std::fs::write(&out, []) {
            println!("cargo::error=write {}: {error}", out.display());
        }
    }
}

/// Lists the catalogues, each with its text: a language is one file and no line of code.
fn languages(list: &Path) -> std::io::Result<()> {
    println!("cargo::rerun-if-changed={LANGUAGES}");
    let files = std::fs::read_dir(LANGUAGES)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> =
        files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "po")).collect();
    files.sort();
    let lines = files.iter().map(|path| {
        let code = path.file_stem().unwrap_or_default();
        Ok(format!("({:?}, include_str!({:?})),\n", code, std::fs::canonicalize(path)?))
    });
    std::fs::write(list, format!("&[{}]", lines.collect::<std::io::Result<String>>()?))
}

fn compile(out: &PathBuf) -> bool {
    let target = env::var("TARGET").unwrap_or_default();
    if !target.contains("linux") || !(target.starts_with("x86_64") || target.starts_with("aarch64")) {
        return false;
    }
    let options =
        ["opt-level=z", "panic=abort", "strip=symbols", "lto=fat", "codegen-units=1", "relocation-model=static"];
    let link = [
        "-nostartfiles",
        "-nodefaultlibs",
        "-static",
        "-Wl,--build-id=none",
        "-Wl,-z,noseparate-code",
        "-Wl,-z,norelro",
    ];
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition", "2024", "--crate-type", "bin", "--crate-name", "probe", "--target", &target]);
    rustc.args(options.iter().flat_map(|option| ["-C", option]));
    // A target of musl brings start files and a libc of its own, and the probe has none of either.
    if target.contains("musl") {
        rustc.args(["-C", "link-self-contained=no"]);
    }
    rustc.args(link.iter().map(|option| format!("-Clink-arg={option}")));
    rustc.arg("-o").arg(out).arg("probe/main.rs");
    rustc.status().is_ok_and(|status| status.success())
}
