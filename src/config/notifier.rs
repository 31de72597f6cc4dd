use navarch_proto::fleet::NotifierSpec;

use super::{address::check_url, section::Section, values::Zero};

const URLS: [&str; 5] =
    ["cordon_url", "uncordon_url", "drain_url", "drain_status_url", "health_url"];
pub(super) const WEBHOOK_KEYS: [&str; 7] = [
    "cordon_url",
    "uncordon_url",
    "drain_url",
    "drain_status_url",
    "health_url",
    "timeout",
    "headers",
];
const TIMEOUT_MS: u64 = 30_000;

/// Reads `server.notifier`; without it the workload system is told nothing.
pub(crate) fn read(server: Option<&Section<'_>>) -> NotifierSpec {
    let mut spec = NotifierSpec {
        r#type: "noop".to_owned(),
        timeout_ms: TIMEOUT_MS,
        ..NotifierSpec::default()
    };
    let Some(block) = server.and_then(|server| server.section("notifier", &["type", "webhook"]))
    else {
        return spec;
    };
    spec.r#type = block.choice("type", &["noop", "webhook", "custom"]).unwrap_or(spec.r#type);
    let webhook = block.section("webhook", &WEBHOOK_KEYS);
    match (spec.r#type.as_str(), webhook) {
        ("webhook", Some(webhook)) => read_webhook(&webhook, &mut spec),
        ("webhook", None) => block.missing("webhook", "{drain_url: \"http://HOST/drain\"}"),
        (_, Some(webhook)) => {
            read_webhook(&webhook, &mut spec);
            block.warning("webhook", format!("not used, because `type` is `{}`", spec.r#type));
        }
        (_, None) => {}
    }
    spec
}

fn read_webhook(webhook: &Section<'_>, spec: &mut NotifierSpec) {
    let url = |key| {
        let text = webhook.text(key).filter(|text| !text.is_empty())?;
        if let Err(message) = check_url(&text) {
            webhook.problem(key, message);
        }
        Some(text)
    };
    let [cordon, uncordon, drain, drain_status, health] =
        URLS.map(|key| url(key).unwrap_or_default());
    if drain.is_empty() && !drain_status.is_empty() {
        webhook.problem("drain_status_url", "needs `drain_url`: nothing else starts a drain");
    }
    spec.cordon_url = cordon;
    spec.uncordon_url = uncordon;
    spec.drain_url = drain;
    spec.drain_status_url = drain_status;
    spec.health_url = health;
    spec.timeout_ms = webhook.duration_ms("timeout", Zero::Refused).unwrap_or(TIMEOUT_MS);
    for (name, value) in webhook.text_map("headers") {
        if let Err(message) = check_header(&name, &value) {
            webhook.problem("headers", message);
        }
        if name.eq_ignore_ascii_case("authorization") && !value.contains("${") {
            let message = "`authorization` is written out, and so it enters the replicated log; \
                           write `${VARIABLE}`";
            webhook.warning("headers", message);
        }
        spec.headers.insert(name, value);
    }
}

fn check_header(name: &str, value: &str) -> Result<(), String> {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(format!("`{name}` is not the name of an HTTP header"));
    }
    let mut rest = value;
    while let Some((_, after)) = rest.split_once("${") {
        let Some((variable, next)) = after.split_once('}') else {
            return Err(format!("`{name}`: `${{` is not closed; write `${{VARIABLE}}`"));
        };
        if !is_variable_name(variable) {
            return Err(format!(
                "`{name}`: `${{{variable}}}` does not name an environment variable"
            ));
        }
        rest = next;
    }
    Ok(())
}

/// Whether a text can be the name of an environment variable.
pub(crate) fn is_variable_name(text: &str) -> bool {
    let letter = |byte: u8| byte == b'_' || byte.is_ascii_alphabetic();
    let all = text.bytes().all(|byte| letter(byte) || byte.is_ascii_digit());
    all && text.len() <= 128 && text.bytes().next().is_some_and(letter)
}
