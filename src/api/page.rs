//! Lists: paging, and filters by enum. Lists are ordered by id, and a page's token is the last id on it.

use prost::Message;
use tonic::Status;

/// Unpaged answers over this many bytes are refused before the transport breaks them off.
const MAX_BYTES: usize = navarch_proto::frame::MAX_MESSAGE - 1024;
/// A repeated field costs a tag and a length beside its message.
const PER_ITEM: usize = 6;

/// Takes the next `size` of `items` (0: all), and the token of the page after them, empty on the last.
pub(super) fn page<T, M: Message>(
    items: impl Iterator<Item = T>,
    size: u32,
    id: impl Fn(&T) -> String,
    convert: impl Fn(&T) -> M,
) -> Result<(Vec<M>, String), Status> {
    let limit = if size == 0 { usize::MAX } else { size as usize };
    let mut items = items.peekable();
    let mut page = Vec::new();
    let mut bytes = 0;
    let mut last = String::new();
    while page.len() < limit {
        let Some(item) = items.next() else { return Ok((page, String::new())) };
        let message = convert(&item);
        bytes += message.encoded_len() + PER_ITEM;
        if bytes > MAX_BYTES && size > 0 && !page.is_empty() {
            return Ok((page, last));
        }
        if bytes > MAX_BYTES {
            return Err(Status::resource_exhausted(format!(
                "the list is longer than {MAX_BYTES} bytes; ask for it in pages: set `page_size` and \
                 follow `next_page_token`"
            )));
        }
        last = id(&item);
        page.push(message);
    }
    Ok((page, if items.peek().is_some() { last } else { String::new() }))
}

/// The enum value that a filter names; an error for a number that is none of its values.
pub(super) fn known_enum<E: TryFrom<i32>>(field: &str, value: i32) -> Result<E, Status> {
    E::try_from(value).map_err(|_| {
        Status::invalid_argument(format!("{field} {value} is no value of its enum; 0 is no filter"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages_of(count: u32, size: u32) -> Vec<Vec<u32>> {
        let mut pages = Vec::new();
        let mut token = String::new();
        loop {
            let after = token.parse().unwrap_or(0_u32);
            let (numbers, next) =
                page(after + 1..=count, size, ToString::to_string, |number| *number).unwrap();
            pages.push(numbers);
            if next.is_empty() {
                return pages;
            }
            token = next;
        }
    }

    /// Without it a page could be skipped, repeated, or follow the last one for ever.
    #[test]
    fn pages_cover_the_list_once() {
        assert_eq!(pages_of(5, 2), [vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!(pages_of(4, 2), [vec![1, 2], vec![3, 4]]);
        assert_eq!(pages_of(3, 0), [vec![1, 2, 3]]);
        assert_eq!(pages_of(0, 2), [Vec::<u32>::new()]);
    }

    /// Without it an unpaged list would break off in the transport, with an error that helps nobody.
    #[test]
    fn a_list_over_the_limit_says_how_to_page() {
        let big = || std::iter::repeat_n(vec![0_u8; 8 * 1024 * 1024], 9);
        let error = page(big(), 0, |_| String::new(), Clone::clone).unwrap_err();
        assert_eq!(error.code(), tonic::Code::ResourceExhausted);
        assert!(error.message().contains("page_size"));
    }
}
