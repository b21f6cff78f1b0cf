//! Compiles the small probe that travels to the hosts, with the compiler that cargo uses.
#![expect(clippy::disallowed_methods, reason = "a build script runs the compiler")]

use std::env;
use std::ffi::OsString;
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
    too_old();
    let folder = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    if let Err(error) = languages(&folder.join("languages.rs")) {
        println!("cargo::error=list the languages in {LANGUAGES}: {error}");
    }
    let out = folder.join("probe");
    let Err(why) = compile(&out) else { return };
    // A program that is given to others has it; a developer may go without.
    let (level, way_out) = if env::var_os("CARGO_FEATURE_STATIC").is_some() {
        ("error", "")
    } else {
        ("warning", "; hosts are probed with bash, which is slower and less exact")
    };
    for (number, line) in why.lines().take(20).enumerate() {
        let said = if number == 0 { "the small static probe could not be compiled: " } else { "" };
        println!("cargo::{level}={said}{line}{}", if number == 0 { way_out } else { "" });
    }
    if let Err(error) = std::fs::write(&out, []) {
        println!("cargo::error=write {}: {error}", out.display());
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

/// Says what to do before hundreds of errors do not. Cargo itself stops earlier, unless it was told `--ignore-rust-version`.
fn too_old() {
    let minor = |version: &str| version.split('.').nth(1)?.parse::<u32>().ok();
    let said = Command::new(rustc()).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).into_owned();
    let wanted = env::var("CARGO_PKG_RUST_VERSION").unwrap_or_default();
    let Some(version) = said.split_whitespace().nth(1) else { return };
    // No newer syntax than that of the oldest Rust that comes as far as this.
    match (minor(version), minor(&wanted)) {
        (Some(has), Some(needs)) if has < needs => println!(
            "cargo::error=fleetclock needs Rust {wanted} or newer, and this is {version}: `rustup update` brings a new one"
        ),
        _ => {}
    }
}

fn rustc() -> OsString {
    env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// Compiles the probe, or says why that is not possible here.
fn compile(out: &PathBuf) -> Result<(), String> {
    let target = env::var("TARGET").unwrap_or_default();
    if !target.contains("linux") || !(target.starts_with("x86_64") || target.starts_with("aarch64")) {
        return Err(format!("it is for Linux on x86_64 and aarch64, and this is a build for {target}"));
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
    let mut rustc = Command::new(rustc());
    rustc.args(["--edition", "2024", "--crate-type", "bin", "--crate-name", "probe", "--target", &target]);
    rustc.args(options.iter().flat_map(|option| ["-C", option]));
    // A target of musl brings start files and a libc of its own, and the probe has none of either.
    if target.contains("musl") {
        rustc.args(["-C", "link-self-contained=no"]);
    }
    rustc.args(link.iter().map(|option| format!("-Clink-arg={option}")));
    rustc.arg("-o").arg(out).arg("probe/main.rs");
    match rustc.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            Err(format!("a C linker (`cc`) is needed; rustc says:\n{}", String::from_utf8_lossy(&output.stderr)))
        }
        Err(error) => Err(format!("start {:?}: {error}", rustc.get_program())),
    }
}
