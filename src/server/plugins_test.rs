use async_trait::async_trait;

use super::*;
use crate::{
    metrics_source::{Figures, Question},
    scaling::{Decision, Needs, PoolView},
};

struct Named(&'static str);

#[async_trait]
impl MetricsSource for Named {
    fn name(&self) -> &str {
        self.0
    }

    async fn figures(&self, _: Question<'_>) -> Figures {
        Figures::default()
    }
}

impl Autoscaler for Named {
    fn name(&self) -> &str {
        self.0
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn decide(&self, view: &PoolView) -> Decision {
        Decision::within_limits(view)
    }
}

/// Without it a replica would start and lead with a source or an autoscaler that nobody can name.
#[test]
fn what_cannot_be_told_apart_is_refused() {
    let source = |name| Plugins::default().metrics_source(Arc::new(Named(name)));
    assert_eq!(source("x-jobs").metrics().unwrap().len(), 1);
    let refused = source("heartbeats").metrics().err().unwrap().to_string();
    assert!(refused.contains(r#"metrics source "heartbeats": a name of your own is `x-`"#));
    let twice = source("x-jobs").metrics_source(Arc::new(Named("x-jobs")));
    assert_eq!(twice.metrics().err(), Some(PluginError::SameSource("x-jobs".to_owned())));
    let named = |name| Plugins::default().autoscaler("training", Arc::new(Named(name)));
    assert!(named("reactive").autoscalers().is_err());
    let autoscalers = named("x-own").autoscalers().unwrap();
    assert_eq!(autoscalers.own_name("training"), Some("x-own"));
}
