use std::sync::{Arc, Mutex, PoisonError};

use cel::{
    Env,
    common::ast::{CallExpr, Expr, IdedExpr, LiteralValue},
    parser::{Macro, MacroExprHelper},
};
use navarch_fleet::limits::RETAIN_HISTORY_MS;
use navarch_proto::api::HealthEventType;

use super::event::{KINDS, type_name};
use crate::config::{format_millis, nearest, parse_duration};

/// Under this name and its number a condition's look is a variable; nobody can write such a name.
pub(super) const VARIABLE: &str = "@history";
/// Looks that all rules of a policy take; the same one counts once.
const MAX_LOOKS: usize = 64;
/// The shortest window.
const SHORTEST_MS: u64 = 1_000;
/// Whose history it is, besides the node's.
const OWN_GPU: &str = "gpu";

/// What a look answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// How many events there were.
    Count,
    /// How many XID numbers.
    Distinct,
    /// How long ago the last one before the present event was.
    Since,
}

/// A look at a node's history: `history.count("xid:63", "24h")`, or `history.gpu.count(...)` for the event's own GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) question: Question,
    /// Of the event's own GPU, not of the whole node.
    pub(super) own_gpu: bool,
    pub(super) kind: HealthEventType,
    /// One XID number alone.
    pub(super) code: Option<u32>,
    pub(super) window_ms: u64,
}

/// The looks that a policy's conditions take, found while they are compiled.
#[derive(Clone, Default)]
pub(super) struct Looks(Arc<Mutex<Vec<Look>>>);

impl Looks {
    /// Has an environment's compiler put a variable in the place of each look.
    pub(super) fn declare(&self, environment: &mut Env) {
        for (name, question) in [
            ("count", Question::Count),
            ("distinct", Question::Distinct),
            ("since", Question::Since),
        ] {
            let looks = self.clone();
            let expand = move |helper: &mut MacroExprHelper<'_>,
                               target: &mut Option<IdedExpr>,
                               arguments: &mut Vec<IdedExpr>| {
                let Some((target, own_gpu)) = whose(target.as_ref()) else { return Ok(None) };
                let look = read(question, own_gpu, (target, arguments))
                    .and_then(|look| looks.number(look).map_err(|message| (target, message)));
                let number = look.map_err(|(id, message)| helper.new_error(id, message))?;
                Ok(Some(variable(helper, question, number)))
            };
            if let Err(error) = environment.add_macro(Macro::receiver_var_arg(name, expand)) {
                tracing::error!(%error, "rules cannot look at the history");
            }
        }
    }

    /// All of them; a look's place is its number.
    pub(super) fn take(&self) -> Vec<Look> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn number(&self, look: Look) -> Result<usize, String> {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = looks.iter().position(|known| *known == look) {
            return Ok(number);
        }
        if looks.len() == MAX_LOOKS {
            return Err(format!(
                "more than {MAX_LOOKS} different looks at the history in one policy"
            ));
        }
        looks.push(look);
        Ok(looks.len() - 1)
    }
}

/// An expression's id, and what is wrong with it.
type Mistake = (u64, String);

/// The id of `history` or `history.gpu`, and whether it is the latter; none: another call of that name.
fn whose(target: Option<&IdedExpr>) -> Option<(u64, bool)> {
    let target = target?;
    let is_history = |expr: &Expr| matches!(expr, Expr::Ident(name) if name == "history");
    match &target.expr {
        expr if is_history(expr) => Some((target.id, false)),
        Expr::Select(select) if is_history(&select.operand.expr) && select.field == OWN_GPU => {
            Some((target.id, true))
        }
        _ => None,
    }
}

fn read(
    question: Question,
    own_gpu: bool,
    (target, arguments): (u64, &[IdedExpr]),
) -> Result<Look, Mistake> {
    let (kind, window) = match (question, arguments) {
        (Question::Since, [kind]) => (kind, None),
        (Question::Count | Question::Distinct, [kind, window]) => (kind, Some(window)),
        (Question::Since, _) => {
            return Err((target, "write `history.since(\"xid\")`: one kind of event".to_owned()));
        }
        (Question::Count | Question::Distinct, _) => {
            let form = "write `history.count(\"xid\", \"24h\")`: a kind of event and a window";
            return Err((target, form.to_owned()));
        }
    };
    let (kind, code) = read_kind(kind)?;
    let distinct = question == Question::Distinct;
    if distinct && (kind != HealthEventType::Xid || code.is_some()) {
        let hint =
            "`distinct` counts different XID numbers, so it takes \"xid\" alone; use `count`";
        return Err((target, hint.to_owned()));
    }
    let window_ms = window.map_or(Ok(RETAIN_HISTORY_MS), read_window)?;
    Ok(Look { question, own_gpu, kind, code, window_ms })
}

/// `xid`, or `xid:63` for one number alone.
fn read_kind(argument: &IdedExpr) -> Result<(HealthEventType, Option<u32>), Mistake> {
    let text = literal(argument, "a kind of event, like \"xid\" or \"xid:63\"")?;
    let (word, code) = match text.split_once(':') {
        Some((word, code)) => (word, Some(code)),
        None => (text, None),
    };
    let names: Vec<&str> = KINDS.iter().map(|kind| type_name(*kind)).collect();
    let Some(kind) = KINDS.iter().find(|kind| type_name(**kind) == word) else {
        let hint = match nearest(word, &names) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("there are {}", names.join(", ")),
        };
        return Err((argument.id, format!("unknown kind of event `{word}`; {hint}")));
    };
    let Some(code) = code else { return Ok((*kind, None)) };
    if *kind != HealthEventType::Xid {
        let message = format!("only XIDs have numbers: write \"{word}\" without `:{code}`");
        return Err((argument.id, message));
    }
    match code.parse::<u32>() {
        Ok(number) if number > 0 => Ok((*kind, Some(number))),
        _ => Err((argument.id, format!("`{code}` is no XID number; write one like \"xid:63\""))),
    }
}

fn read_window(argument: &IdedExpr) -> Result<u64, Mistake> {
    let text = literal(argument, "a window, like \"10m\" or \"24h\"")?;
    let window = parse_duration(text).map_err(|error| (argument.id, error.to_string()))?;
    let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    if !(SHORTEST_MS..=RETAIN_HISTORY_MS).contains(&window_ms) {
        let (least, most) = (format_millis(SHORTEST_MS), format_millis(RETAIN_HISTORY_MS));
        let message = format!("a window of {text}, and it may be {least} to {most}");
        return Err((argument.id, message));
    }
    Ok(window_ms)
}

/// What is looked for is written out, so that it is checked before anything breaks.
fn literal<'a>(argument: &'a IdedExpr, what: &str) -> Result<&'a str, Mistake> {
    match &argument.expr {
        Expr::Literal(LiteralValue::String(text)) => Ok(text.inner()),
        _ => Err((argument.id, format!("expected {what}, in quotes"))),
    }
}

/// The variable that holds a look's answer; a time is a text there, for want of another way to make one.
fn variable(helper: &mut MacroExprHelper<'_>, question: Question, number: usize) -> IdedExpr {
    let variable = helper.next_expr(Expr::Ident(format!("{VARIABLE}{number}")));
    match question {
        Question::Count | Question::Distinct => variable,
        Question::Since => helper.next_expr(Expr::Call(CallExpr {
            func_name: "duration".to_owned(),
            target: None,
            args: vec![variable],
        })),
    }
}
