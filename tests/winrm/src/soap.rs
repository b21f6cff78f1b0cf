//! SOAP envelopes of WS-Management: what a request asks, and the form of answers and faults.

use roxmltree::{Document, Node};

/// The resource of the Windows Remote Shell; its options, streams and states have names below it.
pub(crate) const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
const DEFAULT_TIMEOUT_S: f64 = 60.0;
const DEFAULT_ENVELOPE: usize = 153_600;

/// A request whose header was understood.
pub(crate) struct Envelope<'a> {
    header: Node<'a, 'a>,
    body: Node<'a, 'a>,
}

impl<'a> Envelope<'a> {
    /// Finds header and body. None if there are not both.
    pub(crate) fn of(document: &'a Document<'a>) -> Option<Self> {
        let root = document.root_element();
        Some(Self { header: child(root, "Header")?, body: child(root, "Body")? })
    }

    fn text(&self, name: &str) -> &'a str {
        child(self.header, name).and_then(|node| node.text()).unwrap_or_default().trim()
    }

    /// The URI of what is asked.
    pub(crate) fn action(&self) -> &'a str {
        self.text("Action")
    }

    /// The last word of the action: `Create`, `Command`, `Receive`, `Send`, `Signal`, `Delete`.
    pub(crate) fn operation(&self) -> &'a str {
        self.action().rsplit('/').next().unwrap_or_default()
    }

    /// What the answer relates to.
    pub(crate) fn message_id(&self) -> &'a str {
        self.text("MessageID")
    }

    /// The resource that is addressed.
    pub(crate) fn resource(&self) -> &'a str {
        self.text("ResourceURI")
    }

    /// How long the server may wait, in seconds.
    pub(crate) fn timeout_s(&self) -> f64 {
        self.text("OperationTimeout")
            .trim_start_matches("PT")
            .trim_end_matches('S')
            .parse()
            .unwrap_or(DEFAULT_TIMEOUT_S)
    }

    /// How many bytes the answer may have.
    pub(crate) fn max_envelope(&self) -> usize {
        self.text("MaxEnvelopeSize").parse().unwrap_or(DEFAULT_ENVELOPE)
    }

    /// The shell that is addressed, in capitals.
    pub(crate) fn shell(&self) -> String {
        self.header_value("Selector", "ShellId").unwrap_or_default().to_uppercase()
    }

    /// An option. Only the header counts, as on Windows; one that stands elsewhere has no effect.
    pub(crate) fn option(&self, name: &str) -> Option<&'a str> {
        self.header_value("Option", name)
    }

    fn header_value(&self, tag: &str, name: &str) -> Option<&'a str> {
        let mut nodes = self.header.descendants().filter(|node| node.tag_name().name() == tag);
        nodes.find(|node| node.attribute("Name") == Some(name)).map(|node| node.text().unwrap_or_default())
    }

    /// All elements `name` of the body.
    pub(crate) fn all(&self, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> + use<'a> {
        self.body.descendants().filter(move |node| node.tag_name().name() == name)
    }

    /// The command that the body is about, in capitals.
    pub(crate) fn command_id(&self) -> String {
        self.body.descendants().find_map(|node| node.attribute("CommandId")).unwrap_or_default().to_uppercase()
    }

    /// The command line: command and arguments joined by blanks, as they stand.
    pub(crate) fn command_line(&self) -> String {
        let words = self.all("Command").take(1).chain(self.all("Arguments"));
        words.map(|node| node.text().unwrap_or_default()).collect::<Vec<_>>().join(" ")
    }
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|child| child.tag_name().name() == name)
}

/// A refusal: WS-Management subcode, text, and the number of the Windows error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) sender: bool,
    pub(crate) subcode: &'static str,
    pub(crate) code: u32,
    pub(crate) text: &'static str,
}

impl Fault {
    pub(crate) const TIMED_OUT: Self = Self {
        sender: false,
        subcode: "w:TimedOut",
        code: 2_150_858_793,
        text: "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.  ",
    };
    pub(crate) const NO_SHELL: Self = Self {
        sender: true,
        subcode: "w:InvalidSelectors",
        code: 2_150_858_843,
        text: "The request for the Windows Remote Shell with ShellId failed because the shell was not found on the server. \
               Possible causes are: the specified ShellId is incorrect or the shell no longer exists on the server. \
               Provide the correct ShellId or create a new shell and retry the operation. ",
    };
    pub(crate) const ACCESS_DENIED: Self =
        Self { sender: true, subcode: "w:AccessDenied", code: 5, text: "Access is denied. " };
    pub(crate) const TOO_MANY_SHELLS: Self = Self {
        sender: false,
        subcode: "w:QuotaLimit",
        code: 2_150_859_173,
        text: "The WS-Management service cannot process the request. This user is allowed a maximum number of 30 \
               concurrent shells, which has been exceeded. Close existing shells or raise the quota for this user. ",
    };
    pub(crate) const TOO_MANY_OPERATIONS: Self = Self {
        sender: false,
        subcode: "w:QuotaLimit",
        code: 2_150_859_174,
        text: "The WS-Management service cannot process the request. This user is allowed a maximum number of \
               concurrent operations, which has been exceeded. Close existing operations for this user, or raise the \
               quota for this user. ",
    };
    pub(crate) const SHELLS_DISABLED: Self = Self {
        sender: true,
        subcode: "w:AccessDenied",
        code: 2_150_859_180,
        text: "The WinRM service is configured to not accept any remote shell requests. ",
    };
    pub(crate) const LINE_TOO_LONG: Self = Self {
        sender: true,
        subcode: "w:InvalidParameter",
        code: 206,
        text: "The filename or extension is too long. ",
    };
    pub(crate) const NO_RESOURCE: Self = Self {
        sender: true,
        subcode: "a:DestinationUnreachable",
        code: 2_150_858_752,
        text: "The WS-Management service cannot process the request. The resource URI is missing or incorrect. ",
    };
    pub(crate) const NO_ACTION: Self = Self {
        sender: true,
        subcode: "a:ActionNotSupported",
        code: 2_150_858_817,
        text: "The action is not supported by the service. ",
    };

    /// The body of the fault, as `host` sends it.
    pub(crate) fn body(&self, host: &str) -> String {
        let Self { subcode, code, text, .. } = self;
        let who = if self.sender { "s:Sender" } else { "s:Receiver" };
        format!(
            "<s:Fault><s:Code><s:Value>{who}</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>\
             <s:Reason><s:Text xml:lang=\"en-US\">{text}</s:Text></s:Reason><s:Detail>\
             <f:WSManFault xmlns:f=\"http://schemas.microsoft.com/wbem/wsman/1/wsmanfault\" Code=\"{code}\" \
             Machine=\"{host}\"><f:Message>{text}</f:Message></f:WSManFault></s:Detail></s:Fault>"
        )
    }
}

/// The action of all faults.
pub(crate) const FAULT_ACTION: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault";

/// A whole answer.
pub(crate) fn answer(action: &str, message_id: &str, relates_to: &str, body: &str) -> String {
    format!(
        "<s:Envelope xml:lang=\"en-US\" xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:x=\"http://schemas.xmlsoap.org/ws/2004/09/transfer\" \
         xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" xmlns:rsp=\"{SHELL}\" \
         xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd\">\
         <s:Header><a:Action>{action}</a:Action><a:MessageID>uuid:{message_id}</a:MessageID>\
         <a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>\
         <a:RelatesTo>{}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>",
        escape(relates_to)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: &str = r#"<s:Envelope xmlns:s="s" xmlns:w="w"><s:Header><w:OperationTimeout>PT2.5S</w:OperationTimeout>
        <w:OptionSet><w:Option Name="WINRS_CODEPAGE">65001</w:Option></w:OptionSet>
        <w:SelectorSet><w:Selector Name="ShellId">ab-1</w:Selector></w:SelectorSet></s:Header>
        <w:OptionSet><w:Option Name="WINRS_NOPROFILE">TRUE</w:Option></w:OptionSet>
        <s:Body><w:Command>reg query</w:Command><w:Arguments>"HK"</w:Arguments></s:Body></s:Envelope>"#;

    #[test]
    fn only_options_in_the_header_count() {
        let document = Document::parse(CREATE).unwrap();
        let envelope = Envelope::of(&document).unwrap();
        assert_eq!(envelope.option("WINRS_CODEPAGE"), Some("65001"));
        assert_eq!(envelope.option("WINRS_NOPROFILE"), None);
        assert_eq!((envelope.shell().as_str(), envelope.timeout_s()), ("AB-1", 2.5));
        assert_eq!(envelope.command_line(), "reg query \"HK\"");
    }
}
