//! A real browser without a window, driven over the pipe that it has for that (the DevTools protocol).

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use nix::sys::stat::Mode;
use serde_json::{Value, json};

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    last: u64,
    session: Option<String>,
    /// What the page has complained of.
    pub(crate) complaints: Vec<String>,
    _folder: tempfile::TempDir,
}

const START: &str = r#"exec chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars --disable-dev-shm-usage \
  --user-data-dir="$1/profile" --remote-debugging-pipe about:blank 3<"$1/in" 4>"$1/out" 2>"$1/log""#;

impl Browser {
    #[expect(clippy::disallowed_methods, reason = "the browser is a program of its own")]
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["in", "out"] {
            nix::unistd::mkfifo(&folder.path().join(name), Mode::S_IRWXU).unwrap();
        }
        let mut command = Command::new("bash");
        command.args(["-c", START, "bash"]).arg(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        let to = File::options().write(true).open(folder.path().join("in")).unwrap();
        let from = BufReader::new(File::open(folder.path().join("out")).unwrap());
        let (last, session, complaints) = (0, None, Vec::new());
        let mut browser = Browser { child, to, from, last, session, complaints, _folder: folder };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Calls a method, and returns what came of it.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let mut call = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{call}\0").as_bytes()).unwrap();
        loop {
            let mut line = Vec::new();
            self.from.read_until(0, &mut line).unwrap();
            assert!(!line.is_empty(), "the browser has ended");
            let answer: Value = serde_json::from_slice(&line[..line.len() - 1]).unwrap();
            if answer["id"] == json!(self.last) {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.note(&answer);
        }
    }

    fn note(&mut self, event: &Value) {
        let (method, params) = (event["method"].as_str().unwrap_or_default(), &event["params"]);
        let loud = matches!(params["entry"]["level"].as_str(), Some("error" | "warning"));
        if method == "Runtime.exceptionThrown" || method == "Page.javascriptDialogOpening" || loud {
            self.complaints.push(params.to_string());
        }
    }

    /// Opens a page, and waits until it is there.
    pub(crate) fn open(&mut self, page: &Path) {
        self.call("Page.navigate", &json!({ "url": format!("file://{}", page.display()) }));
        self.say("new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))");
    }

    /// Returns what an expression is in the page.
    #[track_caller]
    pub(crate) fn say(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", &params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: &str, code: u32, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// Types a text where the focus is.
    pub(crate) fn write(&mut self, text: &str) {
        self.call("Input.insertText", &json!({ "text": text }));
    }

    /// Shows the page as on such a screen, or on paper.
    pub(crate) fn shown(&mut self, width: u32, media: &str, scheme: &str) {
        self.tall(width, 900);
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "media": media, "features": features }));
    }

    fn tall(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Takes a picture of the page, as far as so many points down.
    pub(crate) fn picture(&mut self, to: &Path, most: f64) {
        let size = self.call("Page.getLayoutMetrics", &json!({}))["cssContentSize"].clone();
        let height = size["height"].as_f64().unwrap().min(most);
        // What is not on the screen is not drawn.
        self.tall(size["width"].as_f64().unwrap() as u32, height as u32);
        self.say(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))",
        );
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1 });
        let taken = self.call("Page.captureScreenshot", &json!({ "captureBeyondViewport": true, "clip": clip }));
        let bytes = base64::engine::general_purpose::STANDARD.decode(taken["data"].as_str().unwrap()).unwrap();
        assert!(bytes.len() > 10_000, "an empty picture");
        std::fs::write(to, bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
