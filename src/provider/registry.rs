//! From a configured provider to one that can be called. One line a kind.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
};

use navarch_host::{Clock, Spawner, panic_message};
use navarch_proto::fleet::ProviderSpec;
use secrecy::SecretString;

use super::{
    OwnProviders, Provider,
    catalogue::{ProviderKind, UnknownKind},
    fake::{AgentBooter, CloudOptions, FakeProvider},
    guarded::Guarded,
    http::{HttpOptions, HttpOptionsError, HttpProvider},
};

/// Reads a variable of the environment.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What building a provider needs of the replica that will call it.
pub struct BuildContext {
    /// What waits are measured by.
    pub clock: Clock,
    /// What simulated machines run on.
    pub spawner: Arc<dyn Spawner>,
    /// What starts agents on simulated machines.
    pub booter: Arc<dyn AgentBooter>,
    /// Voters in this replica's group: simulated machines in the process are for a group of one.
    pub voters: usize,
    /// The replica's name, told to providers that record who called.
    pub replica: String,
    /// Reads a variable of this replica's environment: secrets are never part of the fleet state.
    pub environment: Environment,
    /// Those of the program that this replica is part of.
    pub own: OwnProviders,
}

/// Why a provider cannot be called. Its pools are held and say so; the rest of the fleet goes on.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no such `type`.
    #[error("provider {provider:?}: {source}")]
    UnknownKind {
        /// The configured name.
        provider: String,
        /// Which type.
        source: UnknownKind,
    },
    /// The type is known, and not built yet.
    #[error("provider {provider:?}: type {kind} is not built yet; use http or fake")]
    NotBuilt {
        /// The configured name.
        provider: String,
        /// The type.
        kind: ProviderKind,
    },
    /// Machines in the process with more than one voter: a failover would lose them.
    #[error(
        "provider {provider:?}: type fake keeps its machines in the replica's own process, which works \
         for a group of one; this group has {voters} voters. Run `navarch fake-cloud` and set type http \
         with its url"
    )]
    FakeInGroup {
        /// The configured name.
        provider: String,
        /// How many voters there are.
        voters: usize,
    },
    /// The variable that should hold the token is not set here.
    #[error(
        "provider {provider:?}: token_env names {variable:?}, which this replica's environment lacks; \
         set it and restart the replica"
    )]
    MissingVariable {
        /// The configured name.
        provider: String,
        /// The variable.
        variable: String,
    },
    /// The program that this replica is part of has no such provider.
    #[error(
        "provider {provider:?} is of type custom, and the program of the leading replica {replica:?} has none by \
         that name; run a program that does on every replica, or give the provider another type"
    )]
    NoOwn {
        /// The configured name.
        provider: String,
        /// Which replica.
        replica: String,
    },
    /// The program refuses to make it.
    #[error("provider {provider:?}: {reason}")]
    Own {
        /// The configured name.
        provider: String,
        /// What it said.
        reason: String,
    },
    /// The options cannot work.
    #[error("provider {provider:?}: {source}")]
    Http {
        /// The configured name.
        provider: String,
        /// What is wrong.
        source: HttpOptionsError,
    },
}

/// Builds the provider that `spec` describes. A `fake` one with a `url` is the fake cloud at that url.
/// Connects to nothing yet.
///
/// # Errors
///
/// See [`BuildError`]; each names the provider and the remedy.
pub fn build(spec: &ProviderSpec, context: &BuildContext) -> Result<Arc<dyn Provider>, BuildError> {
    let kind: ProviderKind = spec
        .r#type
        .parse()
        .map_err(|source| BuildError::UnknownKind { provider: spec.name.clone(), source })?;
    match kind {
        ProviderKind::Http => build_http(spec, context),
        ProviderKind::Fake if !spec.url.is_empty() => build_http(spec, context),
        ProviderKind::Fake => build_fake(spec, context),
        ProviderKind::Custom => build_own(spec, context),
        ProviderKind::Lambda | ProviderKind::Gcp | ProviderKind::Aws => {
            Err(BuildError::NotBuilt { provider: spec.name.clone(), kind })
        }
    }
}

fn build_http(
    spec: &ProviderSpec,
    context: &BuildContext,
) -> Result<Arc<dyn Provider>, BuildError> {
    let mut options = HttpOptions::new(spec.url.as_str(), context.clock.clone());
    options.caller = format!("{} ({})", options.caller, header_safe(&context.replica));
    options.ca_file = (!spec.ca_file.is_empty()).then(|| PathBuf::from(&spec.ca_file));
    if !spec.token_env.is_empty() {
        let token = (context.environment)(&spec.token_env).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| BuildError::MissingVariable {
            provider: spec.name.clone(),
            variable: spec.token_env.clone(),
        })?;
        options.token = Some(SecretString::from(token));
    }
    let provider = HttpProvider::new(options)
        .map_err(|source| BuildError::Http { provider: spec.name.clone(), source })?;
    Ok(Arc::new(provider))
}

fn build_fake(
    spec: &ProviderSpec,
    context: &BuildContext,
) -> Result<Arc<dyn Provider>, BuildError> {
    if context.voters > 1 {
        return Err(BuildError::FakeInGroup {
            provider: spec.name.clone(),
            voters: context.voters,
        });
    }
    let mut options = CloudOptions::default();
    if spec.gpu_count > 0 {
        options.default_gpu_count = spec.gpu_count;
    }
    Ok(Arc::new(FakeProvider::new(
        options,
        context.clock.clone(),
        Arc::clone(&context.spawner),
        Arc::clone(&context.booter),
    )))
}

fn build_own(spec: &ProviderSpec, context: &BuildContext) -> Result<Arc<dyn Provider>, BuildError> {
    let provider = spec.name.clone();
    let Some(build) = context.own.get(&provider) else {
        return Err(BuildError::NoOwn { provider, replica: context.replica.clone() });
    };
    // Somebody else's code: a panic must not end the pass that asks for it.
    let built = catch_unwind(AssertUnwindSafe(|| build(spec)))
        .unwrap_or_else(|panic| Err(format!("it panicked, {}", panic_message(&*panic))));
    let built = built.map_err(|reason| BuildError::Own { provider, reason })?;
    Ok(Arc::new(Guarded { provider: built, clock: context.clock.clone() }))
}

/// A replica's name is free text; a header is not.
fn header_safe(name: &str) -> String {
    name.chars().map(|one| if one.is_ascii_graphic() { one } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use navarch_host::{FakeClock, SystemSpawner};

    use super::*;
    use crate::provider::{
        InstanceType, Machine, Order, ProviderError, Termination, fake::NoAgents,
    };

    fn context(voters: usize) -> BuildContext {
        BuildContext {
            clock: Clock::fake(FakeClock::new(0)),
            spawner: SystemSpawner::current(),
            booter: Arc::new(NoAgents),
            voters,
            replica: "r1".into(),
            environment: Arc::new(|name| (name == "TOKEN").then(|| "secret".to_owned())),
            own: OwnProviders::default(),
        }
    }

    fn spec(kind: &str, url: &str, token_env: &str) -> ProviderSpec {
        ProviderSpec {
            name: "p".into(),
            r#type: kind.into(),
            url: url.into(),
            token_env: token_env.into(),
            ..ProviderSpec::default()
        }
    }

    /// Without it a provider that cannot work would be found out at the first purchase, or its message
    /// would not say what to do.
    #[tokio::test]
    async fn what_cannot_be_called_says_why() {
        let table = [
            (spec("http", "http://127.0.0.1:1/base", "TOKEN"), 3, ""),
            (spec("http", "https://cloud.example", ""), 3, ""),
            (spec("fake", "", ""), 1, ""),
            (spec("fake", "http://127.0.0.1:1", ""), 3, ""),
            (spec("fake", "", ""), 3, "group of one; this group has 3 voters"),
            (spec("aws", "", ""), 1, "type aws is not built yet"),
            (spec("gcp", "", ""), 1, "type gcp is not built yet"),
            (spec("lambda", "", ""), 1, "type lambda is not built yet"),
            (
                spec("custom", "", ""),
                1,
                "program of the leading replica \"r1\" has none by that name",
            ),
            (spec("azure", "", ""), 1, r#"no provider type "azure""#),
            (spec("http", "", ""), 1, "cannot be used"),
            (spec("http", "ftp://x", ""), 1, "must start with http"),
            (spec("http", "http://x?y", ""), 1, "must not have a query"),
            (spec("http", "http://me:pw@x", ""), 1, "token_env"),
            (spec("http", "http://x", "ABSENT"), 1, r#"names "ABSENT""#),
        ];
        for (spec, voters, expected) in table {
            match build(&spec, &context(voters)) {
                Ok(_) => assert_eq!(expected, "", "{spec:?}"),
                Err(error) => {
                    let message = error.to_string();
                    assert!(!expected.is_empty() && message.contains(expected), "{message}");
                    assert!(!message.contains("pw@"), "{message}");
                }
            }
        }
    }

    /// Without it a provider of one's own would not be called at all, or its panic would end the purchases of all
    /// pools and leave a machine behind that nobody looks for.
    #[tokio::test]
    async fn an_own_provider_is_called_under_guard() {
        struct Breaks;

        #[async_trait::async_trait]
        impl Provider for Breaks {
            async fn order(&self, _: &Order, _: u64) -> Result<Machine, ProviderError> {
                panic!("no luck")
            }

            async fn get(&self, _: &str) -> Result<Option<Machine>, ProviderError> {
                Ok(None)
            }

            async fn list(&self, _: (&str, &str)) -> Result<Vec<Machine>, ProviderError> {
                std::future::pending().await
            }

            async fn terminate(&self, _: &str, _: u64) -> Result<Termination, ProviderError> {
                panic!("no luck")
            }

            async fn instance_types(&self) -> Result<Vec<InstanceType>, ProviderError> {
                panic!("no luck")
            }
        }

        let time = FakeClock::new(0);
        let mut context = context(3);
        context.clock = Clock::fake(Arc::clone(&time));
        context.own.add(
            "p",
            Arc::new(|spec| match spec.region.as_str() {
                "" => Ok(Arc::new(Breaks)),
                region => Err(format!("there are no racks in {region}")),
            }),
        );
        let own = build(&spec("custom", "", ""), &context).ok().unwrap();
        assert_eq!(own.get("m").await, Ok(None));
        let panicked = || "the provider panicked, no luck".to_owned();
        let order = Order { instance_id: "i".to_owned(), request_body: Vec::new().into() };
        assert_eq!(own.order(&order, 1).await, Err(ProviderError::Ambiguous(panicked())));
        assert_eq!(own.terminate("m", 1).await, Err(ProviderError::Ambiguous(panicked())));
        assert_eq!(own.instance_types().await, Err(ProviderError::Unanswered(panicked())));
        let (late, ()) = tokio::join!(own.list(("a", "b")), time.advance(Duration::from_secs(60)));
        assert_eq!(
            late,
            Err(ProviderError::Unanswered("the provider did not answer within 60 s".to_owned()))
        );

        let elsewhere = ProviderSpec { region: "us".to_owned(), ..spec("custom", "", "") };
        let refused = build(&elsewhere, &context).err().unwrap().to_string();
        assert_eq!(refused, r#"provider "p": there are no racks in us"#);
    }
}
