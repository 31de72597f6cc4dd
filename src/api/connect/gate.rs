use http::request::Parts;
use tonic::Status;

/// Decides on a call by its head alone, whatever its protocol and before a byte of its body is read, so that
/// nobody who may not call can make the replica hold or parse anything.
pub trait Gate: Send + Sync + 'static {
    /// Lets the call pass, or says why not. What it inserts into `parts.extensions` reaches the handler in
    /// `tonic::Request::extensions`.
    ///
    /// # Errors
    ///
    /// The status that the caller gets, in the form of the caller's protocol.
    fn admit(&self, parts: &mut Parts) -> Result<(), Status>;
}

/// Lets every call pass: for a replica without tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenGate;

impl Gate for OpenGate {
    fn admit(&self, _parts: &mut Parts) -> Result<(), Status> {
        Ok(())
    }
}
