use maud::{Markup, html};

use super::{Digest, words::duration};

/// Bugs that were planted, and what found them; nothing if none was.
pub(super) fn planted(digest: &Digest) -> Markup {
    html! {
        @if digest.bugs().next().is_some() {
            section aria-labelledby="planted" {
                h2 id="planted" { "Bugs that were planted, to be found" }
                div.scroll { table {
                    thead { tr { th { "Bug" } th { "Found by" } th.number { "After" } th { "What it told" } } }
                    tbody { @for bug in digest.bugs() {
                        tr {
                            th scope="row" { code { (bug.bug) } }
                            td {
                                @if bug.found_by.is_empty() {
                                    span.verdict.missed { span aria-hidden="true" { "!" } " missed" }
                                } @else {
                                    (bug.found_by.join(", "))
                                }
                            }
                            td.number { (duration(bug.took_ms)) }
                            td { (bug.outcome()) }
                        }
                    } }
                } }
            }
        }
    }
}
