use cel::{Env, Program};

use super::{file::RuleText, patterns::Patterns, place, references, verdict::one_line};
use crate::config::Report;

/// Mistakes told for one condition; a parser that has lost its way invents more.
const MAX_TOLD: usize = 3;

/// What rules are compiled for: the standard functions, no optional values.
pub(super) fn environment() -> Env {
    Env::stdlib().with_optional_support(false)
}

/// Compiles and checks a rule's condition. What is wrong goes to the report with the rule's name
/// and the place.
pub(super) fn compile(
    environment: &Env,
    report: &Report,
    rule: &RuleText,
    patterns: &mut Patterns,
) -> Option<Program> {
    let refuse = |place: (usize, usize), message: &str| {
        let span = place::in_file(report, &rule.span, &rule.condition, place);
        let message = format!("rule `{}`: {}", rule.name, one_line(message));
        report.problem(&format!("{}.condition", rule.path), span, message);
    };
    let program = match environment.compile(&rule.condition) {
        Ok(program) => program,
        Err(errors) => {
            for error in errors.errors.iter().take(MAX_TOLD) {
                let (line, column) = error.pos;
                let place = (usize::try_from(line), usize::try_from(column));
                refuse((place.0.unwrap_or(1), place.1.unwrap_or(1)), &error.msg);
            }
            return None;
        }
    };
    let refusals = references::check(program.expression(), patterns);
    for (id, message) in refusals.iter().take(MAX_TOLD) {
        let offset = program.source_info().offset_for(*id);
        let offset = offset.and_then(|(start, _)| usize::try_from(start).ok());
        refuse(place::of_character(&rule.condition, offset.unwrap_or(0)), message);
    }
    refusals.is_empty().then_some(program)
}
