use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Environment, NotifyError};

/// The headers of a call, with each `${VARIABLE}` as the environment has it now. What a message repeats is
/// the name of a header or a variable, never a value.
pub(super) fn expand(
    headers: &BTreeMap<String, String>,
    environment: &Environment,
) -> Result<HeaderMap, NotifyError> {
    let mut expanded = HeaderMap::new();
    for (name, template) in headers {
        let unusable = |why: &str| NotifyError::Failed(format!("header `{name}` {why}"));
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| unusable("is not the name of an HTTP header"))?;
        let text = fill_in(template, environment).map_err(|why| unusable(&why))?;
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| unusable("has a value with characters that a header cannot hold"))?;
        value.set_sensitive(true);
        expanded.insert(key, value);
    }
    Ok(expanded)
}

fn fill_in(template: &str, environment: &Environment) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let (variable, next) = after.split_once('}').ok_or("has a `${` that is not closed")?;
        let value = environment(variable).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| {
            format!(
                "needs the environment variable `{variable}`, which this replica lacks; set it \
                 and start the replica again"
            )
        })?;
        text.push_str(before);
        text.push_str(&value);
        rest = next;
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn expanded(value: &str) -> Result<String, String> {
        let environment: Environment = Arc::new(|name| match name {
            "TOKEN" => Some("s3cret".to_owned()),
            "LINES" => Some("one\ntwo-s3cret".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        });
        let headers = BTreeMap::from([("X-Key".to_owned(), value.to_owned())]);
        let map = expand(&headers, &environment).map_err(|error| error.to_string())?;
        assert!(map["x-key"].is_sensitive());
        Ok(map["x-key"].to_str().unwrap().to_owned())
    }

    /// Without it a token would be sent as the name of its variable, or appear in a report.
    #[test]
    fn variables_are_filled_in_and_values_stay_secret() {
        let table = [
            ("plain", Ok("plain")),
            ("Bearer ${TOKEN}", Ok("Bearer s3cret")),
            ("${TOKEN}-${TOKEN}!", Ok("s3cret-s3cret!")),
            ("$TOKEN", Ok("$TOKEN")),
            ("${MISSING}", Err("environment variable `MISSING`")),
            ("${EMPTY}", Err("environment variable `EMPTY`")),
            ("${TOKEN", Err("not closed")),
            ("${LINES}", Err("header `X-Key` has a value with characters")),
        ];
        for (value, expected) in table {
            match (expanded(value), expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text, expected, "{value}"),
                (Err(text), Err(expected)) => {
                    assert!(text.contains(expected), "{value}: {text}");
                    assert!(!text.contains("s3cret"), "{text}");
                }
                (got, _) => panic!("{value}: {got:?}"),
            }
        }
    }
}
