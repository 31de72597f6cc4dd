//! A run as files: `report.json` for programs, `report.html` for people.
//!
//! | file | holds |
//! |---|---|
//! | `page` | the page: one file, nothing from elsewhere, no script |
//! | `chart` | lines over time as SVG |
//! | `escape` | texts as HTML may hold them |

mod chart;
mod escape;
mod page;

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{error::SimError, run::Run};

/// Writes `report.json` and `report.html` into a folder, which is made where there is none. Answers the page's path.
///
/// # Errors
///
/// [`SimError::Write`].
pub fn write(run: &Run, folder: &Path) -> Result<PathBuf, SimError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SimError::Write { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let json = folder.join("report.json");
    let text =
        serde_json::to_vec_pretty(run).map_err(std::io::Error::from).map_err(failed(&json))?;
    fs::write(&json, text).map_err(failed(&json))?;
    let html = folder.join("report.html");
    fs::write(&html, page::render(run)).map_err(failed(&html))?;
    Ok(html)
}
