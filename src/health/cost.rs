//! An upper bound of what a condition may cost on the worst event, in nanoseconds of a slow processor. Evaluation cannot
//! be stopped half-way, so that what might take too long is refused before it is accepted.
//!
//! The figures are rounded up from measurements of a release build (`navarch bench policy`).

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators,
};

use super::{
    bounds::{MAX_EVENT, MAX_METRIC_NAME, MAX_METRICS},
    event::MAX_MESSAGE,
    look::VARIABLE,
};

/// Any part of a condition: looking a name up, calling an operator.
const PART_NS: u64 = 250;
/// One round of a loop, without its body.
const ROUND_NS: u64 = 600;
/// Copying one element of a list or a map, also for an error message that shows it.
const ELEMENT_NS: u64 = 300;
/// A look at the history.
const LOOK_NS: u64 = 2_500;
/// Reading a time, or asking it for the day in a time zone.
const TIME_NS: u64 = 2_000;

/// How big a value may be.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// Bytes of all text in it.
    bytes: u64,
    /// Elements, of a list or a map.
    items: u64,
    /// Elements at any depth.
    nested: u64,
    /// Bytes of the largest element; of a map, of its largest key.
    element: u64,
}

impl Size {
    fn text(bytes: usize) -> Self {
        Self { bytes: bytes as u64, ..Self::default() }
    }

    fn worst(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.max(other.bytes),
            items: self.items.max(other.items),
            nested: self.nested.max(other.nested),
            element: self.element.max(other.element),
        }
    }

    fn together(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            items: self.items.saturating_add(other.items),
            nested: self.nested.saturating_add(other.nested),
            element: self.element.max(other.element),
        }
    }

    fn copy_ns(self) -> u64 {
        (self.bytes / 2).saturating_add(self.nested.saturating_mul(ELEMENT_NS))
    }
}

/// At most this many nanoseconds.
pub(super) fn of(condition: &IdedExpr) -> u64 {
    Estimate { bound: Vec::new() }.walk(condition).0
}

struct Estimate<'a> {
    /// The variables of the loops around the present part.
    bound: Vec<(&'a str, Size)>,
}

type Estimated = (u64, Size);

impl<'a> Estimate<'a> {
    fn walk(&mut self, part: &'a IdedExpr) -> Estimated {
        let (ns, size) = match &part.expr {
            Expr::Unspecified | Expr::Struct(_) => (0, Size::default()),
            Expr::Literal(LiteralValue::String(text)) => (0, Size::text(text.inner().len())),
            Expr::Literal(LiteralValue::Bytes(bytes)) => (0, Size::text(bytes.inner().len())),
            Expr::Literal(_) => (0, Size::default()),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => {
                let (ns, operand) = self.walk(&select.operand);
                (ns, field(&select.operand.expr, &select.field, operand))
            }
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.elements(list.elements.iter()),
            Expr::Map(map) => {
                let entries = map.entries.iter().flat_map(|entry| match &entry.expr {
                    EntryExpr::StructField(field) => vec![&field.value],
                    EntryExpr::MapEntry(pair) => vec![&pair.key, &pair.value],
                });
                self.elements(entries)
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
        };
        (ns.saturating_add(PART_NS), size)
    }

    fn name(&self, name: &str) -> Estimated {
        let plain = name.strip_prefix('.').unwrap_or(name);
        if plain == "event" {
            return (0, event());
        }
        if plain.starts_with(VARIABLE) {
            return (LOOK_NS, Size::text(32));
        }
        let bound = self.bound.iter().rev().find(|(bound, _)| *bound == plain);
        (0, bound.map_or(Size::default(), |(_, size)| *size))
    }

    fn elements(&mut self, elements: impl Iterator<Item = &'a IdedExpr>) -> Estimated {
        let (mut ns, mut all) = (0_u64, Size::default());
        for element in elements {
            let (cost, size) = self.walk(element);
            ns = ns.saturating_add(cost).saturating_add(size.copy_ns()).saturating_add(ELEMENT_NS);
            let as_element = Size {
                bytes: size.bytes,
                items: 1,
                nested: size.nested.saturating_add(1),
                element: size.bytes,
            };
            all = all.together(as_element);
        }
        (ns, all)
    }

    fn call(&mut self, call: &'a CallExpr) -> Estimated {
        let arguments: Vec<&'a IdedExpr> =
            call.target.as_deref().into_iter().chain(&call.args).collect();
        let mut ns = 0_u64;
        let mut sizes = Vec::with_capacity(arguments.len());
        for argument in &arguments {
            let (cost, size) = self.walk(argument);
            ns = ns.saturating_add(cost);
            sizes.push(size);
        }
        let first = sizes.first().copied().unwrap_or_default();
        let last = sizes.last().copied().unwrap_or_default();
        let (own_ns, size) = match call.func_name.as_str() {
            operators::INDEX => {
                let ns = last.bytes.saturating_mul(2).saturating_add(last.copy_ns());
                let field = arguments.last().and_then(|argument| literal(&argument.expr));
                let operand = arguments.first().map(|argument| &argument.expr);
                let size = operand.map_or(first, |operand| field_or_value(operand, field, first));
                (ns, size)
            }
            operators::CONDITIONAL => (0, sizes.iter().copied().fold(Size::default(), Size::worst)),
            name => operation(name, first, last),
        };
        (ns.saturating_add(own_ns), size)
    }

    fn comprehension(&mut self, comprehension: &'a ComprehensionExpr) -> Estimated {
        let (range_ns, range) = self.walk(&comprehension.iter_range);
        let (init_ns, _) = self.walk(&comprehension.accu_init);
        let element = Size {
            bytes: range.element,
            items: range.nested,
            nested: range.nested.saturating_sub(range.items),
            element: range.element,
        };
        let outer = self.bound.len();
        self.bound.push((&comprehension.iter_var, element));
        self.bound.extend(comprehension.iter_var2.as_deref().map(|name| (name, element)));
        // Results are appended in place.
        self.bound.push((&comprehension.accu_var, Size::default()));
        let (condition_ns, _) = self.walk(&comprehension.loop_cond);
        let (step_ns, step) = self.walk(&comprehension.loop_step);
        let (result_ns, _) = self.walk(&comprehension.result);
        self.bound.truncate(outer);
        let rounds = range.items;
        let round_ns = [condition_ns, step_ns, element.copy_ns(), ROUND_NS]
            .into_iter()
            .fold(0, u64::saturating_add);
        let size = match &comprehension.accu_init.expr {
            Expr::List(_) => Size {
                bytes: rounds.saturating_mul(step.bytes),
                items: rounds,
                nested: rounds.saturating_mul(step.nested.max(1)),
                element: step.bytes,
            },
            _ => Size::default(),
        };
        let ns = [range_ns, init_ns, rounds.saturating_mul(round_ns), result_ns, size.copy_ns()];
        (ns.into_iter().fold(0, u64::saturating_add), size)
    }
}

/// What a call costs beside its arguments, by its first and its last one; how big its result is.
fn operation(name: &str, first: Size, last: Size) -> Estimated {
    let both = first.together(last);
    let smaller = first.bytes.min(last.bytes);
    match name {
        // Operands of the wrong types, like a map here, are copied into the error and written out there.
        operators::ADD if both.nested > 0 => (both.copy_ns().saturating_mul(3), both),
        operators::ADD => (both.copy_ns(), both),
        operators::SUBSTRACT
        | operators::MULTIPLY
        | operators::DIVIDE
        | operators::MODULO
        | operators::LESS
        | operators::LESS_EQUALS
        | operators::GREATER
        | operators::GREATER_EQUALS => (both.copy_ns().saturating_mul(3), Size::default()),
        operators::EQUALS | operators::NOT_EQUALS => {
            let items = first.nested.min(last.nested).saturating_mul(ELEMENT_NS);
            ((smaller / 4).saturating_add(items), Size::default())
        }
        operators::IN => {
            let each = (first.bytes.min(last.element) / 4).saturating_add(60);
            let all = last.items.saturating_mul(each);
            (all.saturating_add(first.bytes.saturating_mul(2)), Size::default())
        }
        "size" => (first.bytes / 4, Size::default()),
        "contains" => (both.bytes.saturating_mul(3), Size::default()),
        "startsWith" | "endsWith" => (smaller / 4, Size::default()),
        "matches" => (both.bytes.saturating_mul(4), Size::default()),
        "int" | "uint" | "double" | "bool" => (first.bytes.saturating_mul(10), Size::default()),
        // The longest number is a float of some 310 digits.
        "string" => (first.bytes.saturating_add(500), first.worst(Size::text(400))),
        "bytes" | "dyn" => (first.copy_ns(), first),
        "timestamp" | "duration" => {
            (first.bytes.saturating_mul(20).saturating_add(TIME_NS), Size::text(64))
        }
        name if name.starts_with("get") => (TIME_NS.saturating_add(both.bytes), Size::default()),
        _ => (0, both),
    }
}

fn event() -> Size {
    Size { bytes: MAX_EVENT as u64, items: 7, nested: 7 + MAX_METRICS as u64, element: 16 }
}

fn metrics() -> Size {
    let items = MAX_METRICS as u64;
    Size { bytes: MAX_EVENT as u64, items, nested: items, element: MAX_METRIC_NAME as u64 }
}

/// How big a field is: of an event it is known.
fn field(operand: &Expr, field: &str, whole: Size) -> Size {
    field_or_value(operand, Some(field), whole)
}

fn field_or_value(operand: &Expr, field: Option<&str>, whole: Size) -> Size {
    let is_event =
        |expr: &Expr| matches!(expr, Expr::Ident(name) if name == "event" || name == ".event");
    let is_metrics = match operand {
        Expr::Select(select) => is_event(&select.operand.expr) && select.field == "metrics",
        _ => false,
    };
    match field {
        Some("metrics") if is_event(operand) => metrics(),
        Some(_) if is_event(operand) => Size::text(MAX_MESSAGE),
        _ if is_metrics => Size::text(super::bounds::MAX_METRIC_VALUE),
        // A list of lists of ... : as much as there is.
        _ => Size { items: whole.nested, ..whole },
    }
}

fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
