use std::{future::Future, time::Duration};

use crate::{error::ChaosError, host::Host};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks again and again until `look` answers `Ok`, for `limit` at most. An `Err` says how things stand.
///
/// # Errors
///
/// If `limit` passed; it tells how things stood last.
pub async fn until<T, F>(
    host: &Host,
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> F,
) -> Result<T, ChaosError>
where
    F: Future<Output = Result<T, String>>,
{
    let mut last = "it was never looked".to_owned();
    let looking = async {
        loop {
            match look().await {
                Ok(found) => return found,
                Err(standing) => last = standing,
            }
            host.clock.sleep(LOOK_EVERY).await;
        }
    };
    let found = host.clock.timeout(limit, looking).await;
    found.map_err(|_| ChaosError::Late { what: what.to_owned(), limit, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a run that hangs would not say what it hangs on.
    #[tokio::test]
    async fn what_never_happens_is_told_with_its_last_standing() {
        let host = Host::system();
        let mut looks = 0;
        let found = until(&host, "the third look", Duration::from_secs(5), || {
            looks += 1;
            std::future::ready(if looks == 3 { Ok(looks) } else { Err("early".to_owned()) })
        });
        assert_eq!(found.await.unwrap(), 3);
        let never = until(&host, "the impossible", Duration::from_millis(30), || {
            std::future::ready(Err::<(), _>("not yet".to_owned()))
        });
        let text = never.await.unwrap_err().to_string();
        assert_eq!(text, "the impossible did not happen within 30ms; last: not yet");
    }
}
