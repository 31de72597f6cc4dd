//! The fleet's records with the indexes that find them, kept in step by construction: a record changes only
//! through its table.
//!
//! | file | principal type |
//! |---|---|
//! | `index` | [`Index`]: from one key to many ids |
//! | `node_table` | [`NodeTable`]: by id, number, pool; those that want attention; last-seen times |
//! | `instance_table` | [`InstanceTable`]: by id, provider's reference, pool, state; counts; retention |
//! | `history_table` | [`HistoryTable`]: the health events of nodes; retention |
//! | `command_table` | [`CommandTable`]: by id, node; deadlines; retention |

mod command_table;
mod history_table;
mod index;
mod instance_table;
mod node_table;

pub(crate) use command_table::CommandTable;
pub(crate) use history_table::HistoryTable;
pub(crate) use index::Index;
pub(crate) use instance_table::InstanceTable;
pub(crate) use node_table::NodeTable;
