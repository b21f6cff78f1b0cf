//! What a program on a host printed.

/// What one probe printed: its own part of the script's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slice {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit status.
    pub status: i32,
}
