//! The shell text that writes a file, and puts the old one back.

use super::{File, NOTED};
use crate::text::decisive::STAGE;
use crate::transport::quote::sh;

impl File {
    /// Makes the folders that are not there, the deepest noted first, before any is made.
    pub(super) fn make_folders(&self) -> String {
        let Some(mode) = &self.parents else { return String::new() };
        format!(
            "fc_p=$(dirname {path})\n\
             if [ ! -d \"$fc_p\" ]; then\n\
             fc_m=$fc_p; : >\"$FC_KEEP/folders.new\"\n\
             while [ ! -d \"$fc_m\" ]; do printf '%s\\n' \"$fc_m\" >>\"$FC_KEEP/folders.new\"; fc_m=$(dirname \"$fc_m\"); done\n\
             mv \"$FC_KEEP/folders.new\" \"$FC_KEEP/folders\"\n\
             mkdir -p \"$fc_p\"\n\
             while IFS= read -r fc_m; do chmod {mode} \"$fc_m\"; restorecon \"$fc_m\" 2>/dev/null || :; done <\"$FC_KEEP/folders\"\n\
             fi\n",
            path = sh(&self.path),
            mode = sh(mode),
        )
    }

    /// Takes away the folders that were made, unless somebody has put something into them.
    pub(super) fn remove_folders(&self) -> &'static str {
        match self.parents {
            None => "",
            Some(_) => {
                "\nif [ -e \"$FC_KEEP/folders\" ]; then while IFS= read -r fc_m; do rmdir \"$fc_m\" 2>/dev/null || :; done <\"$FC_KEEP/folders\"; fi"
            }
        }
    }

    /// The file as it is when the change begins; a package may have put one there since it was probed.
    /// Only a whole copy may be called `old`: half of one would be put back over the file.
    pub(super) fn keep(&self) -> String {
        format!(
            "fc_f=$(readlink -f {path}) || {{ echo \"the folder of\" {path} \"does not exist\" >&2; exit 1; }}\n\
             if [ -e \"$fc_f\" ]; then\n\
             cp -p \"$fc_f\" \"$FC_KEEP/copy\" || {{ rm -f \"$FC_KEEP/copy\"; exit 1; }}\n\
             cp --attributes-only --preserve=xattr \"$fc_f\" \"$FC_KEEP/copy\" 2>/dev/null || :\n\
             mv \"$FC_KEEP/copy\" \"$FC_KEEP/old\"\n\
             else : >\"$FC_KEEP/absent\"; fi\n",
            path = sh(&self.path)
        )
    }

    /// Writes down that the file holds a secret from now on. That stays when the file is put back.
    pub(super) fn note(&self) -> String {
        if !self.shown.is_secret(&self.content) {
            return String::new();
        }
        let path = sh(&self.path);
        format!("mkdir -p \"$(dirname {NOTED})\"\ngrep -qsxF -e {path} {NOTED} || printf '%s\\n' {path} >>{NOTED}\n")
    }

    /// What was reviewed must be what is replaced.
    pub(super) fn guard(&self, observed: Option<&str>) -> String {
        observed.map_or(String::new(), |digest| {
            format!(
                "fc_d=$(sha256sum <\"$fc_f\")\n\
                 [ \"${{fc_d%% *}}\" = {digest} ] || {{ echo \"$fc_f was changed by somebody else since it was read; nothing was written\" >&2; exit 1; }}\n"
            )
        })
    }

    /// The new content is complete, on the disk and accepted before it takes the old one's place, of
    /// which it has the access list and the attributes. Nobody may read it who may not later.
    /// What a power failure has left of an earlier run is swept away first; the host is locked.
    pub(super) fn write(&self) -> String {
        let validate = self.validate.as_deref().map_or(String::new(), |command| {
            let command = command.replace("{}", "\"$fc_n\"");
            format!("{command} || {{ echo '{STAGE}the new file was refused; the old one is in place' >&2; exit 1; }}\n")
        });
        format!(
            "fc_n=\"$(dirname \"$fc_f\")/.$(basename \"$fc_f\").fleetclock.\"\n\
             rm -f \"$fc_n\"?????? \"$fc_f.fleetclock-undo\"\n\
             fc_n=$(mktemp \"${{fc_n}}XXXXXX\")\n\
             trap 'rm -f \"$fc_n\"' EXIT\n\
             [ ! -e \"$fc_f\" ] || cp --attributes-only --preserve=mode,xattr \"$fc_f\" \"$fc_n\" 2>/dev/null || :\n\
             chown {owner} \"$fc_n\"\n\
             chmod {mode} \"$fc_n\"\n\
             [ ! -e \"$fc_f\" ] || chcon --reference=\"$fc_f\" \"$fc_n\" 2>/dev/null || :\n\
             printf '%s' {content} >\"$fc_n\" 2>/dev/null || :\n\
             fc_d=$(sha256sum <\"$fc_n\")\n\
             [ \"${{fc_d%% *}}\" = {digest} ] || {{ echo \"the new $fc_f could not be written in full; is the disk full?\" >&2; exit 1; }}\n\
             {validate}\
             sync \"$fc_n\" 2>/dev/null || :\n\
             mv -f \"$fc_n\" \"$fc_f\"\n\
             [ -e \"$FC_KEEP/old\" ] || restorecon \"$fc_f\" 2>/dev/null || :\n",
            content = sh(&self.content),
            digest = self.digest(),
            owner = sh(&self.wanted_owner()),
            mode = sh(&self.mode),
        )
    }

    /// Only mode and owner differ: the file itself is not touched.
    pub(super) fn rights(&self) -> String {
        format!("chown {} \"$fc_f\"\nchmod {} \"$fc_f\"\n", sh(&self.wanted_owner()), sh(&self.mode))
    }

    /// What has not been replaced is not written again: the disk may be full.
    pub(super) fn restore(&self) -> String {
        format!(
            "fc_f=$(readlink -f {path} || echo {path})\n\
             if [ -e \"$FC_KEEP/old\" ] && [ \"$(sha256sum <\"$FC_KEEP/old\")\" = \"$(sha256sum <\"$fc_f\" || :)\" ]; then\n\
             if [ \"$(stat -c %a:%u:%g \"$FC_KEEP/old\")\" != \"$(stat -c %a:%u:%g \"$fc_f\")\" ]; then\n\
             chown --reference=\"$FC_KEEP/old\" \"$fc_f\"\n\
             chmod --reference=\"$FC_KEEP/old\" \"$fc_f\"\n\
             fi\n\
             elif [ -e \"$FC_KEEP/old\" ]; then\n\
             trap 'rm -f \"$fc_f.fleetclock-undo\"' EXIT\n\
             cp -p \"$FC_KEEP/old\" \"$fc_f.fleetclock-undo\"\n\
             cp --attributes-only --preserve=xattr \"$FC_KEEP/old\" \"$fc_f.fleetclock-undo\" 2>/dev/null || :\n\
             chcon --reference=\"$fc_f\" \"$fc_f.fleetclock-undo\" 2>/dev/null || :\n\
             mv -f \"$fc_f.fleetclock-undo\" \"$fc_f\"\n\
             elif [ -e \"$FC_KEEP/absent\" ]; then rm -f \"$fc_f\"; fi",
            path = sh(&self.path)
        )
    }
}
