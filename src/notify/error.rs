/// Why somebody was not told, sorted by what may be concluded from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// It was heard and refused: telling it again would come to the same.
    #[error("refused: {0}")]
    Refused(String),
    /// It may not have been heard: tell it again.
    #[error("{0}")]
    Failed(String),
}
