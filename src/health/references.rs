use cel::{
    IdedExpr,
    common::ast::{
        CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, LiteralValue, SelectExpr,
        operators,
    },
};

use super::{event::FIELDS, patterns::Patterns};

/// Nodes of one condition's tree; the longest built-in one has 34.
const MAX_NODES: usize = 1_000;
/// Levels of one condition's tree; the built-in policy needs 7. Evaluation recurses as deep on a
/// worker's stack of 2 MiB, and takes some 40 KiB a level in a debug build.
const MAX_DEPTH: usize = 20;
/// Loops of one condition. Loops within loops are refused: a nested `map` of 200 bytes can burn
/// seconds.
const MAX_LOOPS: usize = 8;

/// Names that stand for types, as in `type(x) == int`.
const TYPES: [&str; 10] =
    ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"];

const FUNCTIONS: [&str; 24] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "bytes",
    "type",
    "dyn",
    "duration",
    "timestamp",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getSeconds",
];

/// Operators and functions whose result is never a boolean.
const NEVER_BOOLEAN: [&str; 15] = [
    operators::ADD,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::NEGATE,
    "size",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "type",
    "duration",
    "timestamp",
];

const OPERATORS: [&str; 18] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::IN,
];

/// A part of a condition that is not allowed: the part's id in the tree, and why.
pub(super) type Refusal = (u64, String);

/// Looks for names that do not exist and for work that is not bounded. The regular expressions on
/// the way are compiled into `patterns`.
pub(super) fn check(root: &IdedExpr, patterns: &mut Patterns) -> Vec<Refusal> {
    let mut checker =
        Checker { bound: Vec::new(), nodes: 0, loops: 0, refusals: Vec::new(), patterns };
    checker.walk(root, 0, 0);
    if checker.refusals.is_empty() && never_boolean(&root.expr) {
        checker.refuse(
            root.id,
            "the condition is not a boolean; compare it with something".to_owned(),
        );
    }
    checker.refusals
}

struct Checker<'a> {
    /// Names that the loops around the present part have bound.
    bound: Vec<&'a str>,
    nodes: usize,
    loops: usize,
    refusals: Vec<Refusal>,
    patterns: &'a mut Patterns,
}

impl<'a> Checker<'a> {
    fn refuse(&mut self, id: u64, message: String) {
        self.refusals.push((id, message));
    }

    /// `inside`: how many loops run this part.
    fn walk(&mut self, part: &'a IdedExpr, depth: usize, inside: usize) {
        self.nodes += 1;
        if self.nodes == MAX_NODES + 1 {
            self.refuse(
                part.id,
                format!("the condition has more than {MAX_NODES} parts; make it several rules"),
            );
        }
        if depth == MAX_DEPTH {
            self.refuse(part.id, format!("nested more than {MAX_DEPTH} levels deep"));
        }
        if self.nodes > MAX_NODES || depth >= MAX_DEPTH {
            return;
        }
        match &part.expr {
            Expr::Unspecified => self.refuse(part.id, "an empty expression".to_owned()),
            Expr::Literal(_) => {}
            Expr::Ident(name) => self.name(part.id, name),
            Expr::Select(select) => self.select(part.id, select, (depth, inside)),
            Expr::Call(call) => self.call(part.id, call, (depth, inside)),
            Expr::List(list) => {
                for element in &list.elements {
                    self.walk(element, depth + 1, inside);
                }
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    self.entry(entry, (depth, inside));
                }
            }
            Expr::Struct(_) => {
                self.refuse(
                    part.id,
                    "messages are not known here; compare fields of `event`".to_owned(),
                );
            }
            Expr::Comprehension(comprehension) => {
                self.comprehension(part.id, comprehension, (depth, inside));
            }
        }
    }

    fn name(&mut self, id: u64, name: &str) {
        let plain = name.strip_prefix('.').unwrap_or(name);
        let known = plain == "event"
            || plain.starts_with('@')
            || TYPES.contains(&plain)
            || self.bound.contains(&plain);
        if !known {
            let hint = match plain {
                "history" => {
                    "it has `count`, `distinct` and `since`, as in `history.count(\"xid\", \"24h\")`, and \
                     `history.gpu` has them for the event's own GPU"
                }
                _ => "a rule knows `event` and `history`; text is written in quotes",
            };
            self.refuse(id, format!("unknown name `{name}`: {hint}"));
        }
    }

    fn select(&mut self, id: u64, select: &'a SelectExpr, (depth, inside): (usize, usize)) {
        if is_event(&select.operand) {
            self.field(id, &select.field);
        }
        self.walk(&select.operand, depth + 1, inside);
    }

    fn field(&mut self, id: u64, field: &str) {
        if !FIELDS.contains(&field) {
            let hint = match crate::config::nearest(field, &FIELDS) {
                Some(near) => format!("did you mean `event.{near}`?"),
                None => format!("an event has {}", FIELDS.join(", ")),
            };
            self.refuse(id, format!("unknown field `event.{field}`; {hint}"));
        }
    }

    fn call(&mut self, id: u64, call: &'a CallExpr, (depth, inside): (usize, usize)) {
        let name = call.func_name.as_str();
        let known = FUNCTIONS.contains(&name) || OPERATORS.contains(&name);
        if !known && name != operators::NOT_STRICTLY_FALSE {
            let hint = match crate::config::nearest(name, &FUNCTIONS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", FUNCTIONS.join(", ")),
            };
            self.refuse(id, format!("unknown function `{name}`; {hint}"));
        }
        if let (operators::INDEX, [operand, key]) = (name, call.args.as_slice())
            && is_event(operand)
        {
            match &key.expr {
                Expr::Literal(LiteralValue::String(field)) => self.field(key.id, field.inner()),
                _ => self
                    .refuse(key.id, "a field of `event` is named by a text in quotes".to_owned()),
            }
        }
        if name == "matches" {
            self.pattern(id, call);
        }
        for argument in call.target.as_deref().into_iter().chain(&call.args) {
            self.walk(argument, depth + 1, inside);
        }
    }

    /// A regular expression is written out, so that it is compiled once, and here.
    fn pattern(&mut self, id: u64, call: &CallExpr) {
        let Some(Expr::Literal(LiteralValue::String(pattern))) =
            call.args.last().map(|argument| &argument.expr)
        else {
            let message = "`matches` takes a regular expression in quotes";
            self.refuse(id, message.to_owned());
            return;
        };
        if let Err(message) = self.patterns.add(pattern.inner()) {
            self.refuse(id, message);
        }
    }

    fn entry(&mut self, entry: &'a IdedEntryExpr, (depth, inside): (usize, usize)) {
        match &entry.expr {
            EntryExpr::StructField(field) => self.walk(&field.value, depth + 1, inside),
            EntryExpr::MapEntry(pair) => {
                self.walk(&pair.key, depth + 1, inside);
                self.walk(&pair.value, depth + 1, inside);
            }
        }
    }

    fn comprehension(
        &mut self,
        id: u64,
        comprehension: &'a ComprehensionExpr,
        (depth, inside): (usize, usize),
    ) {
        self.loops += 1;
        if inside > 0 {
            self.refuse(
                id,
                "a loop within a loop (`all`, `exists`, `map`, `filter`) is not allowed".to_owned(),
            );
        }
        if self.loops == MAX_LOOPS + 1 {
            self.refuse(
                id,
                format!("more than {MAX_LOOPS} loops in one condition; make it several rules"),
            );
        }
        if ["event", "history"].contains(&comprehension.iter_var.as_str()) {
            let name = &comprehension.iter_var;
            self.refuse(
                id,
                format!("`{name}` cannot be a loop's variable: it would hide the {name}"),
            );
        }
        self.walk(&comprehension.iter_range, depth + 1, inside);
        self.walk(&comprehension.accu_init, depth + 1, inside);
        let outer = self.bound.len();
        self.bound.push(&comprehension.iter_var);
        self.bound.extend(comprehension.iter_var2.as_deref());
        self.bound.push(&comprehension.accu_var);
        for body in [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result] {
            self.walk(body, depth + 1, inside + 1);
        }
        self.bound.truncate(outer);
    }
}

fn is_event(part: &IdedExpr) -> bool {
    matches!(&part.expr, Expr::Ident(name) if name == "event" || name == ".event")
}

fn never_boolean(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(literal) => !matches!(literal, LiteralValue::Boolean(_)),
        Expr::Call(call) => NEVER_BOOLEAN.contains(&call.func_name.as_str()),
        Expr::Comprehension(comprehension) => {
            matches!(comprehension.accu_init.expr, Expr::List(_))
        }
        Expr::List(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => true,
        Expr::Ident(_) | Expr::Select(_) => false,
    }
}
