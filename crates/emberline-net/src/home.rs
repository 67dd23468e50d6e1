//! Where Emberline keeps what it fetches once: weights and the ONNX Runtime library.

use std::path::PathBuf;

/// The environment variable that names the home folder.
pub const HOME_VARIABLE: &str = "EMBERLINE_HOME";

/// Emberline's home folder: `$EMBERLINE_HOME`, or `emberline` in the user's cache folder, or in the system's
/// temporary folder where a user has no cache folder. It need not exist.
#[must_use]
pub fn home_dir() -> PathBuf {
    match std::env::var_os(HOME_VARIABLE) {
        Some(home) if !home.is_empty() => PathBuf::from(home),
        _ => dirs::cache_dir().unwrap_or_else(std::env::temp_dir).join("emberline"),
    }
}
