use comfy_table::{
    Attribute, Cell as TableCell, Color, ContentArrangement, Row, Table, TableStyle,
};

/// How good or bad a cell's content is; shown in colour where the terminal has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing to say about it.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Doubtful,
    /// Wrong.
    Bad,
}

/// One value in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A value with a tone.
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: printable(&text.into()), tone }
    }

    /// The text that is shown.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// What stands above it.
    pub(crate) header: &'static str,
    /// Shown only by `-o wide`.
    pub(crate) wide: bool,
}

impl Column {
    /// A column of every table.
    pub(crate) const fn always(header: &'static str) -> Self {
        Self { header, wide: false }
    }

    /// A column of wide tables.
    pub(crate) const fn wide(header: &'static str) -> Self {
        Self { header, wide: true }
    }
}

/// Where a table is shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Screen {
    /// Characters in a line; rows are cut to fit. `None`: no limit, as in a file or a pipe.
    pub(crate) width: Option<u16>,
    /// Whether colour is welcome.
    pub(crate) colour: bool,
}

/// Lays out `rows` under `columns`; with `wide` the columns for wide tables are shown too.
pub(crate) fn render(columns: &[Column], rows: &[Vec<Cell>], wide: bool, screen: Screen) -> String {
    let shown = |index: &usize| columns.get(*index).is_some_and(|column| wide || !column.wide);
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.force_no_tty();
    if screen.colour {
        table.enforce_styling();
    }
    if let Some(width) = screen.width {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width)
            .set_truncation_indicator("…");
    }
    let headers = (0..columns.len()).filter(shown).map(|index| {
        let cell = TableCell::new(columns[index].header);
        if screen.colour {
            return cell.add_attribute(Attribute::Bold);
        }
        cell
    });
    table.set_header(one_line(headers.collect()));
    for row in rows {
        let cells = (0..row.len()).filter(shown).map(|index| cell(&row[index], screen));
        table.add_row(one_line(cells.collect()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// Lays out names and values, one pair a line.
pub(crate) fn render_pairs(pairs: &[(&str, Cell)], screen: Screen) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or(0) + 2;
    let mut text = String::new();
    for (name, value) in pairs {
        let label = format!("{name}:");
        let value = match (screen.colour, ansi_colour(value.tone)) {
            (true, Some(code)) => format!("\u{1b}[{code}m{}\u{1b}[0m", value.text),
            _ => value.text.clone(),
        };
        text.push_str(format!("{label:width$}{value}").trim_end());
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

fn one_line(cells: Vec<TableCell>) -> Row {
    let mut row = Row::from(cells);
    row.max_height(1);
    row
}

fn cell(cell: &Cell, screen: Screen) -> TableCell {
    let shown = TableCell::new(&cell.text);
    let colour = match cell.tone {
        Tone::Plain => return shown,
        Tone::Good => Color::Green,
        Tone::Doubtful => Color::Yellow,
        Tone::Bad => Color::Red,
    };
    if screen.colour { shown.fg(colour) } else { shown }
}

fn ansi_colour(tone: Tone) -> Option<u8> {
    match tone {
        Tone::Plain => None,
        Tone::Good => Some(32),
        Tone::Doubtful => Some(33),
        Tone::Bad => Some(31),
    }
}

/// Text from elsewhere must not move the cursor or break a row.
fn printable(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] =
        [Column::always("ID"), Column::always("Status"), Column::wide("Reason")];

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            vec!["node-1".into(), Cell::toned("active", Tone::Good), "".into()],
            vec!["node-22".into(), Cell::toned("unhealthy", Tone::Bad), "XID 79\nfell off".into()],
        ]
    }

    /// Without it columns could run into each other, or a value break the row.
    #[test]
    fn columns_line_up_and_wide_ones_wait_for_wide() {
        let narrow = render(&COLUMNS, &rows(), false, Screen::default());
        let wide = render(&COLUMNS, &rows(), true, Screen::default());
        assert_eq!(narrow, "ID       Status\nnode-1   active\nnode-22  unhealthy");
        assert_eq!(
            wide,
            "ID       Status     Reason\nnode-1   active     -\nnode-22  unhealthy  XID 79 fell off"
        );
    }

    /// Without it a long reason would wrap and make a table unreadable.
    #[test]
    fn rows_are_cut_to_the_screen() {
        let long = "a long reason without an end that goes on and on over the edge of the screen";
        let rows = vec![vec!["node-1".into(), "active".into(), long.into()]];
        let screen = Screen { width: Some(50), colour: false };
        let text = render(&COLUMNS, &rows, true, screen);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 50), "{text}");
        assert!(text.contains("node-1") && text.contains('…'), "{text}");
    }

    /// Without it NO_COLOR and files would get escape sequences.
    #[test]
    fn colour_appears_only_where_it_is_welcome() {
        let plain = render(&COLUMNS, &rows(), false, Screen::default());
        let coloured = render(&COLUMNS, &rows(), false, Screen { width: None, colour: true });
        assert!(!plain.contains('\u{1b}'));
        assert!(coloured.contains('\u{1b}'));
        let pairs = [("Status", Cell::toned("lost", Tone::Bad)), ("ID", "x".into())];
        assert_eq!(render_pairs(&pairs, Screen::default()), "Status: lost\nID:     x");
    }
}
