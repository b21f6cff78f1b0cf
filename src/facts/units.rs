//! What `systemctl show` prints of units: one reader for all who ask.

/// What was printed of one unit.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(&'a str);

impl<'a> Shown<'a> {
    /// Takes what was printed of one unit; several are taken apart by [`shown`].
    pub fn of(text: &'a str) -> Self {
        Shown(text)
    }

    /// Returns a property, if it was printed.
    pub fn value(self, key: &str) -> Option<&'a str> {
        self.0.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    }

    /// Returns a property; empty where it was not printed.
    pub fn text(self, key: &str) -> &'a str {
        self.value(key).unwrap_or_default()
    }

    /// Returns the unit's own name without `.service`: an alias shows that of its unit.
    pub fn name(self) -> &'a str {
        self.text("Id").trim_end_matches(".service")
    }

    /// Returns whether systemd knows it.
    pub fn exists(self) -> bool {
        !self.name().is_empty() && self.text("LoadState") != "not-found"
    }

    /// Returns whether it runs, or is on its way there.
    pub fn is_active(self) -> bool {
        matches!(self.text("ActiveState"), "active" | "activating" | "reloading")
    }

    /// Returns whether it starts at boot, by a link that a boot does not take away.
    pub fn is_enabled(self) -> bool {
        self.text("UnitFileState") == "enabled"
    }
}

/// Takes apart what was printed of several units.
pub fn shown(text: &str) -> impl Iterator<Item = Shown<'_>> {
    text.split("\n\n").map(Shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_told_apart_and_a_value_may_have_an_equals_sign() {
        let text = "Id=ntp.service\nLoadState=not-found\n\nId=chrony.service\nLoadState=loaded\nActiveState=activating\nUnitFileState=enabled-runtime\nExecStart=a=b\n";
        let all: Vec<Shown<'_>> = shown(text).collect();
        assert_eq!(
            all.iter().map(|unit| (unit.name(), unit.exists())).collect::<Vec<_>>(),
            [("ntp", false), ("chrony", true)]
        );
        assert!(all[1].is_active() && !all[1].is_enabled() && !all[0].is_active());
        assert_eq!((all[1].value("ExecStart"), all[0].value("ActiveState")), (Some("a=b"), None));
    }
}
