//! Compiles the small probe that travels to the hosts, with the compiler that cargo uses.
#![expect(clippy::disallowed_methods, reason = "a build script runs the compiler")]

use std::env;
use std::path::PathBuf;
use std::process::Command;

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
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("probe");
    if !compile(&out) {
        println!(
            "cargo::warning=the static probe could not be compiled here; hosts are probed with bash, which is slower and less exact; a C linker (`cc`) is needed"
        );
        if let Err(error) = std::fs::write(&out, []) {
            println!("cargo::error=write {}: {error}", out.display());
        }
    }
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
