use std::{fmt, sync::Arc};

use cel::Env;
use navarch_host::with_deep_stack;
use navarch_proto::api::ReportHealthRequest;

use super::{
    condition, cost,
    error::{JudgeError, PolicyError},
    evaluation::Rule,
    file::{self, RuleText},
    history::Past,
    judging::Judging,
    look::{Look, Looks},
    patterns::Patterns,
    verdict::Verdict,
};
use crate::config::Report;

/// The policy that holds where none is configured.
const BUILT_IN: &str = include_str!("built_in.yaml");

/// Stack of the compiling thread: the parser recurses as deep as a condition is nested.
const COMPILER_STACK: usize = 64 << 20;
/// What all rules together may cost on one event, as `cost` estimates it: half of what a busy machine allows, which is
/// 10 ms.
const MAX_COST_NS: u64 = 5_000_000;

/// A compiled health policy. Cheap to share, never changes.
pub struct Policy {
    name: String,
    revision: u64,
    pub(super) rules: Vec<Rule>,
    /// None of its rules could be compiled.
    pub(super) unusable: bool,
    pub(super) looks: Vec<Look>,
    pub(super) environment: Arc<Env>,
    pub(super) patterns: Arc<Patterns>,
}

impl fmt::Debug for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, revision, rules) = (&self.name, self.revision, self.rules.len());
        write!(formatter, "Policy({name}, revision {revision}, {rules} rules)")
    }
}

impl Policy {
    /// Compiles a policy file's text; an empty one stands for the built-in policy. Blocks for
    /// milliseconds on a thread with a deep stack. `revision` is the fleet state's, and comes back
    /// in every verdict.
    ///
    /// # Errors
    ///
    /// [`PolicyError`], with every problem found, the rule it is in and its place.
    pub fn compile(yaml: &str, revision: u64) -> Result<Self, PolicyError> {
        Self::compile_file("health policy", yaml, revision)
    }

    /// [`compile`](Self::compile) for a file whose name is known, for messages.
    ///
    /// # Errors
    ///
    /// As [`compile`](Self::compile).
    pub fn compile_file(file_name: &str, yaml: &str, revision: u64) -> Result<Self, PolicyError> {
        let (file_name, text) = match yaml {
            "" => ("built-in policy", BUILT_IN),
            text => (file_name, text),
        };
        let compile = || Self::compile_here(file_name, text, revision);
        with_deep_stack("policy-compiler", COMPILER_STACK, compile)?
    }

    fn compile_here(file_name: &str, text: &str, revision: u64) -> Result<Self, PolicyError> {
        let report = Report::new(file_name, text);
        let Some(file) = file::read(&report, text) else {
            return Err(report.refuse().into());
        };
        let looks = Looks::default();
        let mut environment = condition::environment();
        looks.declare(&mut environment);
        let mut patterns = Patterns::default();
        let rules = file.rules.iter().filter_map(|rule| {
            let program = condition::compile(&environment, &report, rule, &mut patterns)?;
            let cost_ns = cost::of(program.expression());
            let (name, result, shadow) = (rule.name.clone(), rule.result, rule.shadow);
            Some(Rule { name, program, result, shadow, cost_ns })
        });
        let rules: Vec<Rule> = rules.collect();
        check_cost(&report, &rules, &file.rules);
        report.finish()?;
        Ok(Self {
            name: file.name,
            revision,
            rules,
            unusable: false,
            looks: looks.take(),
            environment: Arc::new(environment),
            patterns: Arc::new(patterns),
        })
    }

    /// What stands in for a policy that does not compile: no rule can be evaluated, so that every event is degraded.
    pub(super) fn unusable(revision: u64) -> Self {
        Self {
            name: "unusable".to_owned(),
            revision,
            rules: Vec::new(),
            unusable: true,
            looks: Vec::new(),
            environment: Arc::new(condition::environment()),
            patterns: Arc::default(),
        }
    }

    /// `metadata.name` of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The revision it was compiled for.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The rules' names, in their order.
    pub fn rule_names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str())
    }

    /// The names of the rules on trial.
    pub fn shadow_rules(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter(|rule| rule.shadow).map(|rule| rule.name.as_str())
    }

    /// What all rules together cost on one event at most, in microseconds, as estimated from their conditions.
    pub fn most_us(&self) -> u64 {
        self.rules.iter().map(|rule| rule.cost_ns).sum::<u64>().div_ceil(1_000)
    }

    /// Whether any rule looks at the history.
    pub fn looks_back(&self) -> bool {
        !self.looks.is_empty()
    }

    /// Judges a report of a node without a past.
    ///
    /// # Errors
    ///
    /// [`JudgeError`] for a report beyond the bounds; nothing of it has been judged.
    pub fn judge(&self, report: &ReportHealthRequest) -> Result<Verdict, JudgeError> {
        self.judge_after(report, Past::default())
    }

    /// Judges a report: its check results as they are, its events by the rules, each after what the node reported
    /// before. An empty result is unknown.
    ///
    /// # Errors
    ///
    /// [`JudgeError`] for a report beyond the bounds; nothing of it has been judged.
    pub fn judge_after(
        &self,
        report: &ReportHealthRequest,
        past: Past<'_>,
    ) -> Result<Verdict, JudgeError> {
        let mut judging = Judging::begin(self, report, past)?;
        while judging.step() {}
        Ok(judging.verdict())
    }
}

/// That the worst event cannot hold a replica up.
fn check_cost(report: &Report, rules: &[Rule], texts: &[RuleText]) {
    let total = rules.iter().map(|rule| rule.cost_ns).fold(0, u64::saturating_add);
    let Some(costliest) = rules.iter().max_by_key(|rule| rule.cost_ns) else { return };
    if total <= MAX_COST_NS {
        return;
    }
    let Some(text) = texts.iter().find(|text| text.name == costliest.name) else { return };
    let message = format!(
        "rule `{}`: the rules may take {} us on one event, and at most {} us are allowed; this one may take {} us: \
         loop less, or look at less text in each round",
        costliest.name,
        total / 1_000,
        MAX_COST_NS / 1_000,
        costliest.cost_ns / 1_000
    );
    report.problem(&format!("{}.condition", text.path), text.span.clone(), message);
}
